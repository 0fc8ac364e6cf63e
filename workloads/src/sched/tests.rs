#[test]
fn try_it() {
    let m = crate::Manager::new();
    let t = std::time::Instant::now();
    m.run("sched", 8, None).unwrap();
    println!("{:?}", t.elapsed());
    for l in crate::events::sched::LOG.lock().drain(..) {
        println!("{l}");
    }
    let t = std::time::Instant::now();
    m.run("sched", 400, None).unwrap();
    println!(
        "{:?} {} events",
        t.elapsed(),
        crate::events::sched::LOG.lock().len()
    );
}
