//! The API server under writes, lists and watches; targets are in README.md. Times are times on the processor.
#![allow(missing_docs, reason = "the macros of criterion make functions without docs")]

use std::cell::LazyCell;
use std::time::Duration;

use benches::objects::Sample;
use benches::{OnCpu, Room, text_of};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Objects that are stored while single writes are measured.
const STORED: usize = 10_000;
/// Objects that are made before they are taken away again, unmeasured: the store stays about as full.
const CHUNK: u64 = 500;

/// Measures `iterations` creations, a chunk at a time.
fn creations(room: &Room, sample: Sample, iterations: u64) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let chunk = left.min(CHUNK);
        let names: Vec<String> = (0..chunk).map(|index| format!("fresh-{index:06}")).collect();
        let texts: Vec<Bytes> = names.iter().map(|name| text_of(sample, name, 0)).collect();
        let start = OnCpu::now();
        for text in texts {
            room.create(sample, text);
        }
        spent += start.elapsed();
        for name in names {
            room.delete(sample, &name);
        }
        left -= chunk;
    }
    spent
}

fn create(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create");
    group.throughput(Throughput::Elements(1));
    for sample in Sample::ALL {
        let room = LazyCell::new(|| Room::with_stored(sample, STORED));
        group.bench_function(sample.name(), |bencher| {
            bencher.iter_custom(|iterations| creations(&room, sample, iterations));
        });
    }
}

/// Objects that are applied in turn.
const APPLIED: u64 = 200;

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    for sample in Sample::ALL {
        let names: Vec<String> = (0..APPLIED).map(|index| format!("applied-{index:06}")).collect();
        let texts = |mark: u64| -> Vec<Bytes> { names.iter().map(|name| text_of(sample, name, mark)).collect() };
        let [even, odd] = [texts(0), texts(1)];
        let room = LazyCell::new(|| {
            let room = Room::with_stored(sample, STORED);
            for (name, text) in names.iter().zip(&even) {
                room.apply_new(sample, name, text.clone());
            }
            room
        });
        let mut turn = |label: &str, changes: bool| {
            group.bench_function(BenchmarkId::new(label, sample.name()), |bencher| {
                bencher.iter_custom(|iterations| {
                    let room = &*room;
                    let mut round = 0_u64;
                    let start = OnCpu::now();
                    for index in 0..iterations {
                        let at = usize::try_from(index % APPLIED).unwrap_or_default();
                        round += u64::from(at == 0);
                        let texts = if changes && round % 2 == 1 { &odd } else { &even };
                        room.apply(sample, &names[at], texts[at].clone());
                    }
                    start.elapsed()
                });
            });
        };
        turn("changed", true);
        turn("unchanged", false);
    }
}

fn list(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("list");
    group.sample_size(20);
    let room = LazyCell::new(|| Room::with_stored(Sample::ConfigMap, STORED));
    group.bench_function("10000", |bencher| {
        bencher.iter_custom(|iterations| {
            let room = &*room;
            let start = OnCpu::now();
            for _ in 0..iterations {
                std::hint::black_box(room.list(Sample::ConfigMap));
            }
            start.elapsed()
        });
    });
}

fn watch(criterion: &mut Criterion) {
    let sample = Sample::ConfigMap;
    let mut group = criterion.benchmark_group("fan_out");
    for count in [1_u32, 100] {
        let watched = LazyCell::new(|| {
            let room = Room::with_stored(sample, 1_000);
            let watchers = room.watch(sample, count);
            (room, watchers)
        });
        let mut mark = 0;
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter_custom(|iterations| {
                let (room, watchers) = &*watched;
                let marks = (0..iterations).map(|index| mark + index);
                let texts: Vec<Bytes> = marks.map(|mark| text_of(sample, "stored-000007", mark)).collect();
                mark += iterations;
                let start = OnCpu::now();
                for text in texts {
                    room.update(sample, "stored-000007", text);
                    room.until_all_have_it(watchers);
                }
                start.elapsed()
            });
        });
    }
}

fn size(criterion: &mut Criterion) {
    let sample = Sample::ConfigMap;
    let mut group = criterion.benchmark_group("create_by_stored");
    for stored in [1_000, 10_000, 100_000] {
        let room = LazyCell::new(|| Room::with_stored(sample, stored));
        group.bench_function(stored.to_string(), |bencher| {
            bencher.iter_custom(|iterations| creations(&room, sample, iterations));
        });
    }
}

criterion_group! {
    name = api;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(30);
    targets = create, apply, list, watch, size
}
criterion_main!(api);
