#[test]
fn try_it() {
    let m = crate::Manager::new();
    let t = std::time::Instant::now();
    m.run("syscalls", 6, None).unwrap();
    println!("{:?}", t.elapsed());
    for l in crate::events::syscalls::raw::LOG.lock().drain(..) {
        println!("{l}");
    }
    let t = std::time::Instant::now();
    m.run("syscalls", 1200, None).unwrap();
    println!(
        "{:?} {} events",
        t.elapsed(),
        crate::events::syscalls::raw::LOG.lock().len()
    );
}
