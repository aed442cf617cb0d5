//! Which functions and operators exist, and with which types: the environment of Kubernetes 1.36.

use super::types::Type;

/// A type in a signature, small enough to write a table with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum T {
    A,
    B,
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    Str,
    Bytes,
    Dur,
    Time,
    Type,
    List,
    ListList,
    ListDyn,
    ListStr,
    ListInt,
    ListUint,
    ListDouble,
    ListBool,
    ListDur,
    ListTime,
    ListBytes,
    Map,
    MapStrs,
    Opt,
    OptStrs,
    OptFormat,
    Quantity,
    Ip,
    Cidr,
    Url,
    Semver,
    Format,
}

impl T {
    /// The type it stands for.
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::A => Type::Param(0),
            Self::B => Type::Param(1),
            Self::Dyn => Type::Dyn,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::Str => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Dur => Type::Duration,
            Self::Time => Type::Timestamp,
            Self::Type => Type::Meta,
            Self::List => Type::list(Type::Param(0)),
            Self::ListList => Type::list(Type::list(Type::Param(0))),
            Self::ListDyn => Type::list(Type::Dyn),
            Self::ListStr => Type::list(Type::String),
            Self::ListInt => Type::list(Type::Int),
            Self::ListUint => Type::list(Type::Uint),
            Self::ListDouble => Type::list(Type::Double),
            Self::ListBool => Type::list(Type::Bool),
            Self::ListDur => Type::list(Type::Duration),
            Self::ListTime => Type::list(Type::Timestamp),
            Self::ListBytes => Type::list(Type::Bytes),
            Self::Map => Type::map(Type::Param(0), Type::Param(1)),
            Self::MapStrs => Type::map(Type::String, Type::list(Type::String)),
            Self::Opt => Type::optional(Type::Param(0)),
            Self::OptStrs => Type::optional(Type::list(Type::String)),
            Self::OptFormat => Type::optional(Type::Named("kubernetes.NamedFormat")),
            Self::Quantity => Type::Named("kubernetes.Quantity"),
            Self::Ip => Type::Named("net.IP"),
            Self::Cidr => Type::Named("net.CIDR"),
            Self::Url => Type::Named("kubernetes.URL"),
            Self::Semver => Type::Named("kubernetes.Semver"),
            Self::Format => Type::Named("kubernetes.NamedFormat"),
        }
    }
}

/// One way to call a function. `member`: the first parameter stands before the dot.
#[derive(Debug)]
pub(crate) struct Overload {
    pub(crate) name: &'static str,
    pub(crate) member: bool,
    pub(crate) params: &'static [T],
    pub(crate) result: T,
}

const fn f(name: &'static str, params: &'static [T], result: T) -> Overload {
    Overload {
        name,
        member: false,
        params,
        result,
    }
}

const fn m(name: &'static str, params: &'static [T], result: T) -> Overload {
    Overload {
        name,
        member: true,
        params,
        result,
    }
}

/// All overloads of a function.
pub(crate) fn overloads(name: &str, member: bool) -> impl Iterator<Item = &'static Overload> {
    let name = name.to_owned();
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .filter(move |overload| overload.member == member && overload.name == name)
}

/// Whether anything has this name, called in whichever way.
pub(crate) fn exists(name: &str) -> bool {
    TABLES
        .iter()
        .any(|table| table.iter().any(|overload| overload.name == name))
}

static TABLES: [&[Overload]; 5] = [OPERATORS, COMPARISONS, STANDARD, EXTENSIONS, KUBERNETES];

#[rustfmt::skip]
static OPERATORS: &[Overload] = {
    use T::*;
    &[
        f("_?_:_", &[Bool, A, A], A), f("!_", &[Bool], Bool), f("-_", &[Int], Int), f("-_", &[Double], Double),
        f("_==_", &[A, A], Bool), f("_!=_", &[A, A], Bool),
        f("@in", &[A, List], Bool), f("@in", &[A, Map], Bool),
        f("_[_]", &[List, Int], A), f("_[_]", &[Map, A], B),
        f("_[?_]", &[List, Int], Opt), f("_[?_]", &[Map, A], B),
        f("_+_", &[Int, Int], Int), f("_+_", &[Uint, Uint], Uint), f("_+_", &[Double, Double], Double),
        f("_+_", &[Str, Str], Str), f("_+_", &[Bytes, Bytes], Bytes), f("_+_", &[List, List], List),
        f("_+_", &[Dur, Dur], Dur), f("_+_", &[Time, Dur], Time), f("_+_", &[Dur, Time], Time),
        f("_-_", &[Int, Int], Int), f("_-_", &[Uint, Uint], Uint), f("_-_", &[Double, Double], Double),
        f("_-_", &[Dur, Dur], Dur), f("_-_", &[Time, Time], Dur), f("_-_", &[Time, Dur], Time),
        f("_*_", &[Int, Int], Int), f("_*_", &[Uint, Uint], Uint), f("_*_", &[Double, Double], Double),
        f("_/_", &[Int, Int], Int), f("_/_", &[Uint, Uint], Uint), f("_/_", &[Double, Double], Double),
        f("_%_", &[Int, Int], Int), f("_%_", &[Uint, Uint], Uint),
    ]
};

/// Comparisons, also across the types of numbers.
#[rustfmt::skip]
static COMPARISONS: &[Overload] = {
    use T::*;
    macro_rules! compare {
        ($($name:literal),*) => {
            &[$(
                f($name, &[Bool, Bool], Bool), f($name, &[Int, Int], Bool), f($name, &[Int, Double], Bool),
                f($name, &[Int, Uint], Bool), f($name, &[Uint, Uint], Bool), f($name, &[Uint, Double], Bool),
                f($name, &[Uint, Int], Bool), f($name, &[Double, Double], Bool), f($name, &[Double, Int], Bool),
                f($name, &[Double, Uint], Bool), f($name, &[Str, Str], Bool), f($name, &[Bytes, Bytes], Bool),
                f($name, &[Time, Time], Bool), f($name, &[Dur, Dur], Bool),
            )*]
        };
    }
    compare!("_<_", "_<=_", "_>_", "_>=_")
};

#[rustfmt::skip]
static STANDARD: &[Overload] = {
    use T::*;
    &[
        f("size", &[Str], Int), f("size", &[Bytes], Int), f("size", &[List], Int), f("size", &[Map], Int),
        m("size", &[Str], Int), m("size", &[Bytes], Int), m("size", &[List], Int), m("size", &[Map], Int),
        f("dyn", &[A], Dyn), f("type", &[A], Type),
        f("int", &[Int], Int), f("int", &[Uint], Int), f("int", &[Double], Int), f("int", &[Str], Int), f("int", &[Time], Int), f("int", &[Dur], Int),
        f("uint", &[Uint], Uint), f("uint", &[Int], Uint), f("uint", &[Double], Uint), f("uint", &[Str], Uint),
        f("double", &[Double], Double), f("double", &[Int], Double), f("double", &[Uint], Double), f("double", &[Str], Double),
        f("string", &[Str], Str), f("string", &[Bool], Str), f("string", &[Int], Str), f("string", &[Uint], Str),
        f("string", &[Double], Str), f("string", &[Bytes], Str), f("string", &[Time], Str), f("string", &[Dur], Str),
        f("string", &[Ip], Str), f("string", &[Cidr], Str),
        f("bool", &[Bool], Bool), f("bool", &[Str], Bool), f("bytes", &[Bytes], Bytes), f("bytes", &[Str], Bytes),
        f("duration", &[Dur], Dur), f("duration", &[Str], Dur), f("duration", &[Int], Dur),
        f("timestamp", &[Time], Time), f("timestamp", &[Str], Time), f("timestamp", &[Int], Time),
        m("contains", &[Str, Str], Bool), m("startsWith", &[Str, Str], Bool), m("endsWith", &[Str, Str], Bool),
        m("matches", &[Str, Str], Bool), f("matches", &[Str, Str], Bool),
        m("getFullYear", &[Time], Int), m("getFullYear", &[Time, Str], Int), m("getMonth", &[Time], Int), m("getMonth", &[Time, Str], Int),
        m("getDayOfYear", &[Time], Int), m("getDayOfYear", &[Time, Str], Int), m("getDayOfMonth", &[Time], Int), m("getDayOfMonth", &[Time, Str], Int),
        m("getDate", &[Time], Int), m("getDate", &[Time, Str], Int), m("getDayOfWeek", &[Time], Int), m("getDayOfWeek", &[Time, Str], Int),
        m("getHours", &[Time], Int), m("getHours", &[Time, Str], Int), m("getHours", &[Dur], Int),
        m("getMinutes", &[Time], Int), m("getMinutes", &[Time, Str], Int), m("getMinutes", &[Dur], Int),
        m("getSeconds", &[Time], Int), m("getSeconds", &[Time, Str], Int), m("getSeconds", &[Dur], Int),
        m("getMilliseconds", &[Time], Int), m("getMilliseconds", &[Time, Str], Int), m("getMilliseconds", &[Dur], Int),
    ]
};

/// Strings (version 2), sets, lists (version 3) and optionals of cel-go.
#[rustfmt::skip]
static EXTENSIONS: &[Overload] = {
    use T::*;
    &[
        m("charAt", &[Str, Int], Str), m("indexOf", &[Str, Str], Int), m("indexOf", &[Str, Str, Int], Int),
        m("lastIndexOf", &[Str, Str], Int), m("lastIndexOf", &[Str, Str, Int], Int),
        m("lowerAscii", &[Str], Str), m("upperAscii", &[Str], Str), m("trim", &[Str], Str),
        m("replace", &[Str, Str, Str], Str), m("replace", &[Str, Str, Str, Int], Str),
        m("split", &[Str, Str], ListStr), m("split", &[Str, Str, Int], ListStr),
        m("substring", &[Str, Int], Str), m("substring", &[Str, Int, Int], Str),
        m("join", &[ListStr], Str), m("join", &[ListStr, Str], Str), m("format", &[Str, List], Str),
        f("strings.quote", &[Str], Str),
        f("sets.contains", &[List, List], Bool), f("sets.equivalent", &[List, List], Bool), f("sets.intersects", &[List, List], Bool),
        m("slice", &[List, Int, Int], List), m("flatten", &[ListList], List), m("flatten", &[ListDyn, Int], ListDyn),
        m("sort", &[List], List), m("distinct", &[List], List), m("reverse", &[List], List), f("lists.range", &[Int], ListInt),
        m("first", &[List], Opt), m("last", &[List], Opt),
        f("optional.of", &[A], Opt), f("optional.ofNonZeroValue", &[A], Opt), f("optional.none", &[], Opt),
        m("hasValue", &[Opt], Bool), m("value", &[Opt], A), m("or", &[Opt, Opt], Opt), m("orValue", &[Opt, A], A),
    ]
};

/// The libraries of `k8s.io/apiserver/pkg/cel/library`.
#[rustfmt::skip]
static KUBERNETES: &[Overload] = {
    use T::*;
    &[
        m("isSorted", &[ListInt], Bool), m("isSorted", &[ListUint], Bool), m("isSorted", &[ListDouble], Bool), m("isSorted", &[ListBool], Bool),
        m("isSorted", &[ListStr], Bool), m("isSorted", &[ListDur], Bool), m("isSorted", &[ListTime], Bool), m("isSorted", &[ListBytes], Bool),
        m("sum", &[ListInt], Int), m("sum", &[ListUint], Uint), m("sum", &[ListDouble], Double), m("sum", &[ListDur], Dur),
        m("min", &[ListInt], Int), m("min", &[ListUint], Uint), m("min", &[ListDouble], Double), m("min", &[ListStr], Str), m("min", &[ListDur], Dur), m("min", &[ListTime], Time),
        m("max", &[ListInt], Int), m("max", &[ListUint], Uint), m("max", &[ListDouble], Double), m("max", &[ListStr], Str), m("max", &[ListDur], Dur), m("max", &[ListTime], Time),
        m("indexOf", &[List, A], Int), m("lastIndexOf", &[List, A], Int),
        m("find", &[Str, Str], Str), m("findAll", &[Str, Str], ListStr), m("findAll", &[Str, Str, Int], ListStr),
        f("url", &[Str], Url), f("isURL", &[Str], Bool), m("getScheme", &[Url], Str), m("getHost", &[Url], Str),
        m("getHostname", &[Url], Str), m("getPort", &[Url], Str), m("getEscapedPath", &[Url], Str), m("getQuery", &[Url], MapStrs),
        f("quantity", &[Str], Quantity), f("isQuantity", &[Str], Bool), m("sign", &[Quantity], Int),
        m("isGreaterThan", &[Quantity, Quantity], Bool), m("isLessThan", &[Quantity, Quantity], Bool), m("compareTo", &[Quantity, Quantity], Int),
        m("asApproximateFloat", &[Quantity], Double), m("asInteger", &[Quantity], Int), m("isInteger", &[Quantity], Bool),
        m("add", &[Quantity, Quantity], Quantity), m("add", &[Quantity, Int], Quantity), m("sub", &[Quantity, Quantity], Quantity), m("sub", &[Quantity, Int], Quantity),
        f("ip", &[Str], Ip), f("isIP", &[Str], Bool), f("ip.isCanonical", &[Str], Bool), m("family", &[Ip], Int),
        m("isUnspecified", &[Ip], Bool), m("isLoopback", &[Ip], Bool), m("isLinkLocalMulticast", &[Ip], Bool),
        m("isLinkLocalUnicast", &[Ip], Bool), m("isGlobalUnicast", &[Ip], Bool),
        f("cidr", &[Str], Cidr), f("isCIDR", &[Str], Bool), m("containsIP", &[Cidr, Str], Bool), m("containsIP", &[Cidr, Ip], Bool),
        m("containsCIDR", &[Cidr, Str], Bool), m("containsCIDR", &[Cidr, Cidr], Bool), m("ip", &[Cidr], Ip),
        m("prefixLength", &[Cidr], Int), m("masked", &[Cidr], Cidr),
        f("semver", &[Str], Semver), f("semver", &[Str, Bool], Semver), f("isSemver", &[Str], Bool), f("isSemver", &[Str, Bool], Bool),
        m("isGreaterThan", &[Semver, Semver], Bool), m("isLessThan", &[Semver, Semver], Bool), m("compareTo", &[Semver, Semver], Int),
        m("major", &[Semver], Int), m("minor", &[Semver], Int), m("patch", &[Semver], Int),
        f("jsonpatch.escapeKey", &[Str], Str),
        f("format.named", &[Str], OptFormat), m("validate", &[Format, Str], OptStrs),
        f("format.dns1123Label", &[], Format), f("format.dns1123Subdomain", &[], Format), f("format.dns1035Label", &[], Format),
        f("format.qualifiedName", &[], Format), f("format.dns1123LabelPrefix", &[], Format), f("format.dns1123SubdomainPrefix", &[], Format),
        f("format.dns1035LabelPrefix", &[], Format), f("format.labelValue", &[], Format), f("format.uri", &[], Format),
        f("format.uuid", &[], Format), f("format.byte", &[], Format), f("format.date", &[], Format), f("format.datetime", &[], Format),
    ]
};
