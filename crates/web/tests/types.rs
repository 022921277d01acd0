//! The dashboard's types are those of the API. `UPDATE=1 cargo test -p web --test types` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use alert::delivery::DeliveryList;
use alert::dispatch::{GettableAlert, GettableSilence};
use alert::escalation::IncidentView;
use model::Direction;
use model::host::HostFacts;
use model::live::LiveConnection;
use model::overview::Overview;
use model::probe::ProbeView;
use model::recording::Recorded;
use model::rules::{AlertsView, RulesView};
use model::system::{Limit, Setting, SystemFacts};
use ts_rs::{Config, TS, TypeVisitor};
use web::body::{
    ConnectionView, ErrorBody, Examine, Explained, Facets, Feedback, FindingList, JobView, List, Login,
    Status, TryoutList, TryoutView, ViewPage,
};

const HEADER: &str = "\
// Generated from the Rust types of the API. Do not edit; instead: UPDATE=1 cargo test -p web --test types
";

/// Declarations by name.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl Declarations {
    fn add<T: TS + 'static + ?Sized>(&mut self) -> &mut Self {
        self.visit::<T>();
        self
    }
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_some() {
            let name = T::ident(&self.config);
            let docs = T::docs().unwrap_or_default();
            let declaration = tidy(&format!("{docs}export {}\n", T::decl(&self.config)));
            if let Some(known) = self.by_name.get(&name) {
                assert_eq!(*known, declaration, "two types are called {name}");
                return;
            }
            self.by_name.insert(name, declaration);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

/// Fields on indented lines, short comments on one.
fn tidy(declaration: &str) -> String {
    let text = declaration
        .replace("/**\n * ", "/** ")
        .replace("\n */\n", " */\n")
        .replace(" \n", "\n")
        .replace(", };", ",\n};");
    let Some((start, fields)) = text.split_once(" = {\n") else { return text };
    format!("{start} = {{\n  {}", fields.replace('\n', "\n  ")).replace("\n  };\n  ", "\n};\n")
}

fn render() -> String {
    let config = Config::new().with_large_int("number");
    let mut declarations = Declarations { config, by_name: BTreeMap::new() };
    declarations
        .add::<Status>()
        .add::<Login>()
        .add::<Overview>()
        .add::<HostFacts>()
        .add::<List<LiveConnection>>()
        .add::<ConnectionView>()
        .add::<FindingList>()
        .add::<Explained>()
        .add::<Feedback>()
        .add::<JobView>()
        .add::<Examine>()
        .add::<ViewPage>()
        .add::<Facets>()
        .add::<IncidentView>()
        .add::<Limit>()
        .add::<Setting>()
        .add::<SystemFacts>()
        .add::<RulesView>()
        .add::<AlertsView>()
        .add::<GettableAlert>()
        .add::<GettableSilence>()
        .add::<DeliveryList>()
        .add::<TryoutList>()
        .add::<TryoutView>()
        .add::<ProbeView>()
        .add::<Recorded>()
        .add::<ErrorBody>()
        .add::<Direction>();
    let texts: Vec<String> = declarations.by_name.into_values().collect();
    format!("{HEADER}\n{}", texts.join("\n"))
}

#[test]
fn the_dashboard_has_the_types_of_the_api() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/api/types.ts");
    let rendered = render();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &rendered).expect("types.ts can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == rendered,
        "ui/src/api/types.ts is out of date: UPDATE=1 cargo test -p web --test types"
    );
}

#[test]
fn large_numbers_are_numbers() {
    let rendered = render();
    assert!(!rendered.contains("bigint"), "{rendered}");
    assert!(rendered.contains("export type Backlog"), "types behind types are rendered too");
}
