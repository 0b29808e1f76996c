//! Where the system has neither GRO nor GSO, `offload` is `batch`.

pub(crate) use super::batch::serve;
