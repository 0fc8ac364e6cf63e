//! Grace periods.

use super::*;

#[test]
fn nested() {
    assert!(!in_read_section());
    let outer = read();
    let inner = read();
    assert!(in_read_section());
    drop(outer);
    assert!(in_read_section());
    assert_eq!(synchronize(), Err(Refused::InReadSection));
    drop(inner);
    assert!(!in_read_section());
    assert_eq!(synchronize(), Ok(()));
}

#[test]
fn counted_has_no_threads() {
    assert_eq!(counted::synchronize(), Ok(()));
    let guard = counted::read();
    assert_eq!(counted::synchronize(), Err(Refused::InReadSection));
    drop(guard);
    assert!(!counted::in_read_section());
}
