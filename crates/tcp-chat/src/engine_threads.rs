//! stub
use crate::console::{Console, Inbox};
use crate::room::Room;
use crate::socket::Options;
use std::sync::Arc;
/// stub
pub struct Engine;
impl Engine {
    /// stub
    #[must_use]
    pub fn new(
        _: std::net::TcpListener,
        _: Options,
        _: Room,
        _: Console,
        _: std::time::Duration,
    ) -> Self {
        Self
    }
    /// stub
    #[must_use]
    pub fn inbox(&self) -> Arc<Inbox> {
        Inbox::new(|| ())
    }
    /// stub
    /// # Errors
    /// stub
    pub fn serve(self) -> anyhow::Result<crate::stats::Stats> {
        anyhow::bail!("not yet")
    }
}
