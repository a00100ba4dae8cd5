//! `view`
use anyhow::Result;
use clap::Args;
use super::Global;
/// Open
#[derive(Args, Default)]
pub(super) struct View {}
impl View { pub(super) fn run(&self, _g: &Global) -> Result<()> { Ok(()) } }
