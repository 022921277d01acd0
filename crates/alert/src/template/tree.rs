//! The tree of a template: what Go finds when it reads one, and what this engine's trees need beside.

use std::collections::BTreeSet;

use gotmpl::parse::{BranchNode, CommandNode, DefineNode, Expr, ListNode, Node, Parser, PipeNode};
use gotmpl::{FuncMap, TemplateError};

/// The function that writes the value of an action as Go does. No template can name it.
pub(super) const SHOW: &str = "show value";

/// A text that is put behind a template: the parser does not tell of an `{{end}}` too much, but stops there.
const END: &str = "the end of the template";

/// Functions of Go's templates.
const OF_GO: [&str; 19] = [
    "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println",
    "urlquery", "eq", "ne", "lt", "le", "gt", "ge",
];

/// A template that was read.
pub(super) struct Tree {
    pub root: ListNode,
    pub defines: Vec<DefineNode>,
    /// Names of fields that it looks up.
    pub fields: BTreeSet<String>,
    /// Whether it has a loop.
    pub has_loop: bool,
}

/// Reads a template and lets each of its actions end in [`SHOW`].
pub(super) fn read(text: &str, functions: &FuncMap) -> Result<Tree, TemplateError> {
    let (mut root, mut defines) = Parser::new(&format!("{text}{{{{{END:?}}}}}"), "{{", "}}")?.parse()?;
    let last = root.nodes.pop();
    if !last.as_ref().is_some_and(is_end) {
        return Err(TemplateError::Exec("an {{end}} or {{else}} belongs to nothing".to_owned()));
    }
    let mut walk = Walk {
        functions,
        variables: Vec::new(),
        wrong: None,
        fields: BTreeSet::new(),
        has_loop: false,
        loops: 0,
    };
    let defined = defines.iter_mut().map(|define| &mut define.body);
    for list in std::iter::once(&mut root).chain(defined) {
        walk.variables = vec!["$".to_owned()];
        walk.list(list);
    }
    let Walk { wrong, fields, has_loop, .. } = walk;
    match wrong {
        Some(error) => Err(error),
        None => Ok(Tree { root, defines, fields, has_loop }),
    }
}

fn is_end(node: &Node) -> bool {
    let Node::Action(action) = node else { return false };
    let mut args = action.pipe.commands.iter().flat_map(|command| &command.args);
    matches!(args.next(), Some(Expr::String(_, text)) if &**text == END)
}

struct Walk<'a> {
    functions: &'a FuncMap,
    /// Variables that are declared here.
    variables: Vec<String>,
    /// The first thing that Go would find.
    wrong: Option<TemplateError>,
    fields: BTreeSet<String>,
    has_loop: bool,
    /// How many loops this is inside of.
    loops: usize,
}

impl Walk<'_> {
    fn list(&mut self, list: &mut ListNode) {
        list.nodes.iter_mut().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &mut Node) {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => {
                self.pipe(&action.pipe);
                if action.pipe.decl.is_empty() {
                    let pos = action.pipe.pos;
                    let args = vec![Expr::Identifier(pos, SHOW.into())];
                    action.pipe.commands.push(CommandNode { pos, args });
                }
            }
            Node::If(branch) | Node::With(branch) => self.branch(branch),
            Node::Range(branch) => {
                self.has_loop = true;
                self.loops += 1;
                self.branch(branch);
                self.loops -= 1;
            }
            Node::Template(template) => template.pipe.iter().for_each(|pipe| self.pipe(pipe)),
            Node::Define(define) => self.list(&mut define.body),
            Node::Break(_) | Node::Continue(_) if self.loops == 0 => {
                let outside = "{{break}} or {{continue}} outside {{range}}";
                self.wrong.get_or_insert_with(|| TemplateError::Exec(outside.to_owned()));
            }
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn branch(&mut self, branch: &mut BranchNode) {
        let outside = self.variables.len();
        self.pipe(&branch.pipe);
        let within = self.variables.len();
        for list in std::iter::once(&mut branch.body).chain(&mut branch.else_body) {
            self.list(list);
            self.variables.truncate(within);
        }
        self.variables.truncate(outside);
    }

    fn pipe(&mut self, pipe: &PipeNode) {
        pipe.commands.iter().flat_map(|command| &command.args).for_each(|expr| self.expr(expr));
        for name in &pipe.decl {
            if !pipe.is_assign {
                self.variables.push(name.to_string());
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Identifier(_, name) => {
                if !OF_GO.contains(&&**name) && !self.functions.contains_key(&**name) {
                    self.wrong.get_or_insert_with(|| TemplateError::UndefinedFunction(name.to_string()));
                }
            }
            Expr::Field(_, names) => self.look_up(names),
            Expr::Variable(_, name, names) => {
                self.variable(name);
                self.look_up(names);
            }
            Expr::Chain(_, inner, names) => {
                self.look_up(names);
                self.expr(inner);
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Dot(_) | Expr::String(..) | Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => {}
        }
    }

    fn variable(&mut self, name: &str) {
        if !self.variables.iter().any(|known| known == name) {
            self.wrong.get_or_insert_with(|| TemplateError::UndefinedVariable(name.to_owned()));
        }
    }

    fn look_up(&mut self, names: &[impl AsRef<str>]) {
        self.fields.extend(names.iter().map(|name| name.as_ref().to_owned()));
    }
}
