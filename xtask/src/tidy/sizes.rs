//! Files and functions stay small, and every file says what its room knows.

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Complaint, SourceFile};

/// Longest file, in lines. Files aim at 100–200; this is where they must be split.
const FILE_LINES: usize = 600;
/// Longest function body, in lines, outside tests.
const FUNCTION_LINES: usize = 70;

/// Size of the file and of its functions, and its opening comment.
pub(crate) fn check(file: &SourceFile) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        complaints.push(Complaint::new(
            &*file.path,
            format!("{lines} lines, at most {FILE_LINES}: split it by sense"),
        ));
    }
    if !file.text.starts_with("//!") {
        complaints.push(Complaint::new(
            &*file.path,
            "must open with //! and say what this room knows",
        ));
    }
    match syn::parse_file(&file.text) {
        Ok(tree) => {
            let mut visitor = Functions {
                path: &file.path,
                complaints: &mut complaints,
            };
            visitor.visit_file(&tree);
        }
        Err(error) => complaints.push(Complaint::new(&*file.path, format!("cannot be parsed: {error}"))),
    }
    complaints
}

struct Functions<'a> {
    path: &'a str,
    complaints: &'a mut Vec<Complaint>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, body: &syn::Block) {
        let LineColumn { line: first, .. } = body.span().start();
        let lines = body.span().end().line.saturating_sub(first);
        if lines > FUNCTION_LINES {
            let text = format!("fn {name} has {lines} lines, at most {FUNCTION_LINES}");
            self.complaints
                .push(Complaint::new(format!("{}:{first}", self.path), text));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        });
        if !is_test {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let is_test = function
            .attrs
            .iter()
            .any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test"));
        if !is_test {
            self.measure(&function.sig.ident, &function.block);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let file = SourceFile {
            path: "a.rs".into(),
            text: text.into(),
        };
        check(&file).into_iter().map(|complaint| complaint.text).collect()
    }

    #[test]
    fn small_and_explained_is_fine() {
        assert_eq!(complaints("//! Knows a.\nfn a() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn long_functions_files_and_missing_docs_are_named() {
        let body = "    let _ = 1;\n".repeat(71);
        let long = format!("//! Knows a.\nimpl A {{\n fn a() {{\n{body} }}\n}}\n");
        assert_eq!(complaints(&long), ["fn a has 72 lines, at most 70"]);
        let tested = format!("//! Knows a.\n#[cfg(test)]\nmod tests {{\n fn a() {{\n{body} }}\n}}\n");
        assert_eq!(complaints(&tested), Vec::<String>::new());
        assert_eq!(
            complaints("fn a() {}\n"),
            ["must open with //! and say what this room knows"]
        );
        assert_eq!(complaints(&format!("//! A.\n{}", "\n".repeat(600))).len(), 1);
    }
}
