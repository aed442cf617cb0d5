//! The quick start, whole, under virtual time.

#[cfg(test)]
mod quick_start {
    use std::time::Duration;

    use serde_json::{Value, json};
    use simulator::world::cluster::ClusterConfig;
    use simulator::world::kube::auth::UserInfo;
    use simulator::world::kube::server::ServerConfig;
    use simulator::world::rehearsal::{Rehearsal, RehearsalConfig};
    use simulator::world::run::{World, run};

    async fn start(world: World) -> Rehearsal {
        let cluster = ClusterConfig::new(ServerConfig::new(world));
        Rehearsal::start(RehearsalConfig::new(cluster)).await.unwrap()
    }

    fn workspace(rehearsal: &Rehearsal) -> Value {
        let server = &rehearsal.cluster.server;
        let resource = server.resource("kaito.sh", "v1beta1", "workspaces").unwrap();
        server
            .door(UserInfo::admin(), resource)
            .get("default", "workspace-tuning-phi-3")
            .unwrap_or_default()
    }

    #[test]
    fn quick_start() {
        let lines = run(1, |world| async move {
            let clock = world.clock;
            let rehearsal = start(world.clone()).await;
            let text = std::fs::read_to_string("../examples/manifests/workspace_tuning_phi_3.yaml").unwrap();
            let text = text
                .replace("ACR_REPO_HERE", "myregistry")
                .replace("IMAGE_NAME_HERE", "phi-3-dolly")
                .replace("ACR_REGISTRY_SECRET_HERE", "push");
            let mut manifest: Value = serde_saphyr::from_str(&text).unwrap();
            manifest["metadata"]["namespace"] = json!("default");
            let server = &rehearsal.cluster.server;
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "push", "namespace": "default" },
                "type": "kubernetes.io/dockerconfigjson", "data": { ".dockerconfigjson": "e30=" } });
            let door = |group: &str, version: &str, plural: &str| server.door(UserInfo::admin(), server.resource(group, version, plural).unwrap());
            door("", "v1", "secrets").create(secret).await.unwrap();
            door("kaito.sh", "v1alpha1", "workspaces").create(manifest).await.unwrap();
            for _ in 0..60 {
                clock.sleep(Duration::from_secs(15)).await;
                let workspace = workspace(&rehearsal);
                let conditions = workspace.pointer("/status/conditions").cloned().unwrap_or_default();
                let short: Vec<String> = conditions.as_array().into_iter().flatten().map(|c| format!("{}={}/{}: {}", c["type"].as_str().unwrap(), c["status"].as_str().unwrap(), c["reason"].as_str().unwrap(), c["message"].as_str().unwrap())).collect();
                println!("{:?} state={} {short:#?}", clock.elapsed(), workspace["status"]["state"]);
                if short.iter().any(|c| c.starts_with("Ready=True")) { break; }
            }
            for event in door("", "v1", "events").list("default").unwrap() { println!("EVENT {} {} {}", event["involvedObject"]["name"], event["reason"], event["message"]); }
            for pod in door("", "v1", "pods").list("default").unwrap() { println!("POD {}", pod["status"]); }
            door("kaito.sh", "v1alpha1", "workspaces").delete("default", "workspace-tuning-phi-3", &json!({})).await.unwrap();
            clock.sleep(Duration::from_secs(120)).await;
            println!("{:?} {:?}", workspace(&rehearsal), rehearsal.aks.pools());
            let lines = world.trace.lines();
            lines
        })
        .unwrap();
        for line in lines {
            println!("{line}");
        }
    }
}
