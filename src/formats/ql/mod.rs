//! `ql.db`, rkt's image index.
