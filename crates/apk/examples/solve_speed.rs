//! Measures the solver: `cargo run --release -p apk --example solve_speed -- APKINDEX [NAME…]`, with the text of an index.
//!
//! Without names it solves a world of 54 of Alpine's main repository.
#![allow(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::time::{Duration, Instant};

use apk::solve::{Policy, Repository, Request, Universe, World};

const WORLD: &str = "alpine-base gcc g++ make cmake git nginx postgresql15 samba openssh curl wget bash python3 perl ruby nodejs mariadb \
    redis bind dovecot postfix squid haproxy lighttpd apache2 vim nano tmux screen rsync openvpn iptables nftables strongswan lxc zfs lvm2 \
    btrfs-progs xfsprogs e2fsprogs cryptsetup syslog-ng chrony tcpdump nmap htop strace gdb llvm15 clang15 ghostscript freeradius cups";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which index?")?;
    let names: Vec<String> = arguments.collect();
    let world = World::parse(if names.is_empty() { WORLD.to_owned() } else { names.join(" ") }.as_str())?;

    let text = fs_err::read(path)?;
    let start = Instant::now();
    let index = apk::Index::parse(&text)?;
    println!("parsed {} records in {:?}", index.records.len(), start.elapsed());
    let repositories = [Repository::new(&index.records)];
    let start = Instant::now();
    let universe = Universe::new(&repositories, &[], None);
    println!("made a universe in {:?}", start.elapsed());

    let request = Request::new(world, Policy::Apk);
    match universe.solve(&request) {
        Ok(solution) => println!("{} wanted, {} packages", request.world.wants.len(), solution.packages.len()),
        Err(error) => println!("{error}"),
    }
    let (start, mut solves) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(2) {
        let _ = universe.solve(&request);
        solves += 1;
    }
    println!("{:.0} solves/s", f64::from(solves) / start.elapsed().as_secs_f64());
    Ok(())
}
