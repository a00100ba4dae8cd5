//! The shader benchmark harness: suites of cases on the devices of this machine, each timed by one method
//! ([`method`](Method)), each checked against the f64 twin in the same run, all kept in one [`Record`].

mod compare;
mod device;
mod method;
mod peers;
mod record;
pub mod report;
mod session;
mod stats;
mod suites;
mod table;
mod twin;

pub use compare::{Change, compare};
pub use method::{Check, Lap, Method, Subject, Time};
pub use peers::PeerCommand;
pub use record::{Costs, Device, Host, Program, Record, Row, Shape, TunedTiles, Work};
pub use session::{Options, run};
pub use stats::{Summary, Verdict, median};
pub use suites::Suite;
pub use suites::kernels;
pub use table::{csv, header, line};
