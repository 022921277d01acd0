//! What is refused when a query is parsed: where it says the fault is, and why.

use promql::{Compat, ErrorKind, Options, Query};

/// The part of the query that is at fault stands between « and ».
#[track_caller]
fn check_with(options: &Options, marked: &str, kind: ErrorKind, message: &str) {
    let text = marked.replace(['«', '»'], "");
    let start = marked.find('«').expect("the fault's start is marked");
    let end = marked.find('»').expect("the fault's end is marked") - '«'.len_utf8();
    let error = Query::parse(&text, options).expect_err("the query is at fault");
    assert_eq!(error.message, message);
    assert_eq!((error.position, error.kind), (Some(start..end), kind), "{message}");
}

#[track_caller]
fn check(marked: &str, message: &str) {
    check_with(&Options::default(), marked, ErrorKind::Parse, message);
}

#[track_caller]
fn unsupported(marked: &str, message: &str) {
    check_with(&Options::default(), marked, ErrorKind::Unsupported, message);
}

#[test]
fn syntax() {
    check("«»", "the query is empty; name a metric, such as `up`");
    check("up «$»", "unexpected character '$'");
    check("a «!» b", "unexpected character '!'; write `!=` or `!~`");
    check("a «b»", "unexpected `b`; expected an operator or the end of the query");
    check(
        "sum(«»",
        "unexpected the end of the query; expected an expression: a metric, a function, a number",
    );
    check("(a + b«»", "unexpected the end of the query; expected an operator or `)`");
    check("1 + «*» 2", "unexpected `*`; expected an expression: a metric, a function, a number");
    check("a«)»", "unexpected `)`; expected an operator or the end of the query");
    check("abs(a, «)»", "unexpected `)`; expected an expression: a metric, a function, a number");
}

#[test]
fn literals() {
    check("«\"open»", "this string has no closing \"");
    check("\"a«\\q»\"", "unknown escape; write \\\\ for a backslash, or quote the string with `");
    check("«\"\\xff\"»", "this string is not valid UTF-8");
    check("up[«5x»]", "`5x` is neither a number nor a duration such as 1h30m");
    check("«1__0»", "`1__0` is neither a number nor a duration such as 1h30m");
    check("up[5m«3h»]", "a duration names each unit once, the longest first: 1h30m");
    check("up[«9999y»]", "the duration is too long; the longest is 292y");
    check("up[«1e30»]", "the duration is too long; the longest is 292y");
    check("up offset «NaN»", "unexpected `NaN`; expected a duration such as 5m");
    check("up @ «1e300»", "the time is out of range; give seconds since 1970");
    check("up «[0s]»", "a range and its step must be longer than zero");
    check("up «[1m:0s]»", "a range and its step must be longer than zero");
}

#[test]
fn selectors() {
    check(
        "«{a=\"\"}»",
        "this would select all series; give at least one matcher that does not match an empty value",
    );
    check("up{a=«b»}", "unexpected `b`; expected a string in quotes");
    check("up{a«}»", "unexpected `}`; expected one of = != =~ !~");
    check("up{a=\"1\" «b»=\"2\"}", "unexpected `b`; expected `,` or `}`");
    check("up{«__name__=\"x\"»}", "the metric's name is given twice: `up` and `x`");
    check("up{a=~«\"(\"»}", "the regular expression `(` is not valid: unclosed group");
    check("up{a=~«\"(a{1000}){1000}\"»}", "the regular expression `(a{1000}){1000}` is too large");
    check(
        "sum(up) «offset 5m»",
        "offset and @ stand behind a selector or a subquery; write `[1h:1m]` before them",
    );
    check("up offset 5m «offset 1m»", "offset and @ may each be given once");
    check("«up offset 5m»[5m]", "offset and @ stand behind the range: x[5m] offset 1h");
    check(
        "sum(up)«[»5m]",
        "a range such as [5m] stands behind a selector; over an expression write a subquery: [5m:1m]",
    );
    check("up @ «now»()", "unexpected `now`; expected a Unix time in seconds, start() or end()");
}

#[test]
fn types() {
    check(
        "rate(«up»)",
        "expected type range vector in call to function `rate`, got instant vector; add a range such as [5m]",
    );
    check(
        "sum(«up[5m]»)",
        "expected type instant vector in aggregation expression, got range vector; drop the range, or apply a \
         function such as rate()",
    );
    check("«rate(up[5m], 1)»", "expected 1 argument(s) in call to `rate`, got 2");
    check("«round()»", "expected 1 or 2 argument(s) in call to `round`, got 0");
    check("«label_join(up, \"a\")»", "expected at least 3 argument(s) in call to `label_join`, got 2");
    check("«topk(up)»", "`topk` takes a parameter and an instant vector, but there are 1 arguments");
    check(
        "topk(«up», up)",
        "expected type scalar in aggregation parameter, got instant vector; wrap it in scalar()",
    );
    check("1 «==» 1", "comparisons between scalars must use BOOL modifier; write `== bool`");
    check("up «+» bool 1", "bool modifier can only be used on comparison operators");
    check("up «and» 1", "and, or, unless stand between two instant vectors; wrap a scalar in vector()");
    check("a «or» on (x) group_left b", "no grouping allowed for and, or, unless");
    check("a «*» on (x) group_left (x) b", "label `x` must not occur in ON and GROUP clause at once");
    check(
        "a * «group_left» b",
        "unexpected `group_left`; expected an expression: a metric, a function, a number",
    );
    check("1 «*» on (x) b", "vector matching only allowed between instant vectors");
    check("«up[5m]» + 1", "operators work on scalars and instant vectors, not on a range vector");
    check("«-\"a\"»", "a sign stands before a scalar or an instant vector, not before a string");
    check("«1[5m:1m]»", "a subquery stands behind an instant vector, not behind a scalar");
    check("«f»(up)", "there is no function `f`");
    check("«raet»(up[5m])", "there is no function `raet`; did you mean `rate`?");
    check(
        "«holt_winters»(up[5m], 0.5, 0.5)",
        "there is no function `holt_winters`; did you mean `double_exponential_smoothing`?",
    );
}

#[test]
fn what_is_not_evaluated() {
    unsupported(
        "1 + «histogram_count»(up)",
        "`histogram_count` is not evaluated here: it works on native histograms, which are not stored",
    );
    unsupported("«info»(up)", "`info` is not evaluated here: it is experimental in Prometheus");
    unsupported(
        "up[5m «*» 2]",
        "arithmetic on durations is experimental in Prometheus and not evaluated here",
    );
    let arithmetic = "arithmetic on durations is experimental in Prometheus and not evaluated here";
    unsupported("up[«step»() * 2]", arithmetic);
    unsupported("up offset -«(»5m * 2)", arithmetic);
    unsupported("up[5m] «anchored»", "this modifier is experimental in Prometheus and not evaluated here");
    unsupported("a + «fill»(0) b", "`fill` is experimental in Prometheus and not evaluated here");
}

#[test]
fn bounds() {
    let options = Options { length_max: 5, depth_max: 3, ..Options::default() };
    check_with(&options, "a + b« + c»", ErrorKind::Limit, "the query is longer than 5 bytes; split it");
    let options = Options { depth_max: 3, ..Options::default() };
    let message = "expressions nest deeper than 3; split the query";
    check_with(&options, "(((«a»)))", ErrorKind::Limit, message);
    check_with(&options, "---«a»", ErrorKind::Limit, message);
    check_with(&options, "«a + b + c + d»", ErrorKind::Limit, message);
    assert!(Query::parse("a + b + c", &options).is_ok());
}

#[test]
fn a_place_has_a_line_and_a_column() {
    let text = "sum(\n  日本 + rate(up))";
    let error = Query::parse("sum(\n  rate(up))", &Options::default()).expect_err("a range is missing");
    assert_eq!(error.line_and_column("sum(\n  rate(up))"), Some((2, 8)));
    let error = Query::parse(text, &Options::default()).expect_err("a name must be quoted");
    assert_eq!(error.line_and_column(text), Some((2, 3)));
}

#[test]
fn names_that_are_also_words_of_the_language_are_names() {
    for text in [
        "sum",
        "by",
        "offset",
        "and",
        "start + end",
        "sum(sum)",
        "sum by (by, on, bool) (avg)",
        "or or or",
        "count(count) without (without)",
        "up{by=\"1\", on=\"2\"}",
        "limitk offset 5m",
        "a:b:c",
        "{\"日本\", \"é.x\"=\"1\"}",
    ] {
        Query::parse(text, &Options::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let v2 = Options { compat: Compat::V2, ..Options::default() };
    assert!(Query::parse("holt_winters(up[5m], 0.5, 0.5)", &v2).is_ok());
}
