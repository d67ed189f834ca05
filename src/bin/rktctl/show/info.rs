//! What GetInfo answers, for people.

use rkt_api::api::Info;

use super::table::{Cell, Column, Table};

/// The answer, a line for each thing.
pub fn render(info: &Info, page_width: Option<usize>) -> String {
    let flags = info.global_flags.clone().unwrap_or_default();
    let trust = match flags.trust_keys_from_https {
        true => "yes",
        false => "no",
    };
    let mut table = Table::new(&[Column::whole(""), Column::elastic("", 8)]);
    for (name, value) in [
        ("rkt version:", info.rkt_version.as_str()),
        ("appc version:", &info.appc_version),
        ("API version:", &info.api_version),
        ("Data directory:", &flags.dir),
        ("System configuration:", &flags.system_config_dir),
        ("Local configuration:", &flags.local_config_dir),
        ("User configuration:", &flags.user_config_dir),
        ("Insecure options:", &flags.insecure_flags),
        ("Trust keys from HTTPS:", trust),
    ] {
        table.row(vec![Cell::new(name), Cell::new(value)]);
    }
    table.rows(&table.layout(page_width), false)
}
