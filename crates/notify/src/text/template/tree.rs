//! Trees of templates, rewritten so that lookups are calls of ours: a key that is not there gives Go's zero value, and
//! methods of Alertmanager's data (`.Alerts.Firing`, `.GroupLabels.SortedPairs`, `.StartsAt.Format`) can be called.

use std::collections::BTreeSet;

use gotmpl::parse::{CommandNode, DefineNode, Expr, ListNode, Node, Parser, PipeNode, Pos};

use super::functions;

/// Looks up a field or calls a method. No template can name it.
pub(super) const LOOK_UP: &str = "look up";

/// Writes a value as Go does. No template can name it.
pub(super) const SHOW: &str = "show value";

/// A text that is put behind a template: the parser does not tell of an `{{end}}` too much, but stops there.
const END: &str = "the end of the template";

/// Functions of Go's templates.
const OF_GO: [&str; 19] = [
    "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println",
    "urlquery", "eq", "ne", "lt", "le", "gt", "ge",
];

/// A text that was read.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: ListNode,
    pub(super) defines: Vec<DefineNode>,
    /// Names of templates that it calls.
    pub(super) called: BTreeSet<String>,
}

/// Reads and rewrites a text.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<Tree, String> {
    let text = format!("{text}{{{{{END:?}}}}}");
    let parsed = Parser::new(&text, "{{", "}}").and_then(Parser::parse);
    let (mut root, mut defines) = parsed.map_err(|error| error.to_string())?;
    if !root.nodes.pop().as_ref().is_some_and(is_end) {
        return Err("an {{end}} or {{else}} belongs to nothing".to_owned());
    }
    let mut walk = Walk { called: BTreeSet::new(), unknown: None };
    walk.list(&mut root);
    defines.iter_mut().for_each(|define| walk.list(&mut define.body));
    match walk.unknown {
        Some(name) => Err(format!("function {name:?} is not defined")),
        None => Ok(Tree { root, defines, called: walk.called }),
    }
}

fn is_end(node: &Node) -> bool {
    let Node::Action(action) = node else { return false };
    let mut args = action.pipe.commands.iter().flat_map(|command| &command.args);
    matches!(args.next(), Some(Expr::String(_, text)) if &**text == END)
}

struct Walk {
    called: BTreeSet<String>,
    /// The first function that does not exist.
    unknown: Option<String>,
}

impl Walk {
    fn list(&mut self, list: &mut ListNode) {
        list.nodes.iter_mut().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &mut Node) {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => {
                self.pipe(&mut action.pipe);
                if action.pipe.decl.is_empty() {
                    let pos = action.pipe.pos;
                    let args = vec![Expr::Identifier(pos, SHOW.into())];
                    action.pipe.commands.push(CommandNode { pos, args });
                }
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                self.pipe(&mut branch.pipe);
                self.list(&mut branch.body);
                branch.else_body.iter_mut().for_each(|list| self.list(list));
            }
            Node::Template(template) => {
                self.called.insert(template.name.to_string());
                template.pipe.iter_mut().for_each(|pipe| self.pipe(pipe));
            }
            Node::Define(define) => self.list(&mut define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn pipe(&mut self, pipe: &mut PipeNode) {
        for (index, command) in pipe.commands.iter_mut().enumerate() {
            for arg in &mut command.args {
                self.expr(arg);
            }
            // A method with arguments: they go into the lookup's own call.
            let has_arguments = index > 0 || command.args.len() > 1;
            if has_arguments
                && let Some(Expr::Pipe(_, lookup)) = command.args.first()
                && let [only] = &lookup.commands[..]
                && matches!(only.args.first(), Some(Expr::Identifier(_, name)) if &**name == LOOK_UP)
            {
                let mut args = only.args.clone();
                args.extend(command.args.drain(1..));
                command.args = args;
            }
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Identifier(_, name) => {
                let is_known = OF_GO.contains(&&**name) || functions::NAMES.contains(&&**name);
                if !is_known && self.unknown.is_none() {
                    self.unknown = Some(name.to_string());
                }
            }
            Expr::Field(pos, names) => {
                *expr = look_up(*pos, Expr::Dot(*pos), names);
            }
            Expr::Variable(pos, name, names) if !names.is_empty() => {
                *expr = look_up(*pos, Expr::Variable(*pos, name.clone(), Vec::new()), names);
            }
            Expr::Chain(pos, inner, names) => {
                self.expr(inner);
                *expr = look_up(*pos, (**inner).clone(), names);
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            _ => {}
        }
    }
}

/// One call for each name, from the inside out.
fn look_up(pos: Pos, base: Expr, names: &[impl AsRef<str>]) -> Expr {
    names.iter().fold(base, |base, name| {
        let args = vec![Expr::Identifier(pos, LOOK_UP.into()), base, Expr::String(pos, name.as_ref().into())];
        let commands = vec![CommandNode { pos, args }];
        Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands, is_assign: false })
    })
}
