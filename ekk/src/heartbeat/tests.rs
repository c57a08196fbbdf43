//! Vectors, regressions and the grid of the health automaton.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::profile::{Preset, Profile, Timing};

type Watch = Heartbeat<16, 32>;

const P: Span = Span::from_ms(100);

fn being(raw: u32, boot_inc: u32, life: u16) -> Identity {
    Identity { id: NodeId::from_raw(raw), boot_inc, life }
}

fn peer(raw: u32) -> Identity {
    being(raw, 1, 0)
}

fn at(periods_tenths: u64) -> Time {
    Time::from_s(100).after(P.times(periods_tenths).over(10))
}

trait FromSeconds {
    fn from_s(s: u64) -> Time;
}

impl FromSeconds for Time {
    fn from_s(s: u64) -> Time {
        Time::ZERO.after(Span::from_s(s))
    }
}

fn product() -> Watch {
    Watch::new(Config::product(&Timing::preset(Preset::Lan)), NodeId::from_raw(1)).expect("valid")
}

fn seed(period_us: u64) -> Watch {
    let config = Config { period: Span::from_us(period_us), ..Config::seed() };
    Watch::new(config, NodeId::from_raw(1)).expect("valid")
}

fn tick(watch: &mut Watch, now: Time) -> Vec<(u32, Health, Health)> {
    let mut seen = Vec::new();
    watch.tick(now, &mut |transition| seen.push((transition.identity.id.get(), transition.from, transition.to)));
    seen
}

/// Ticks each tenth of a period in `from..to`; returns when each transition was seen.
fn run(watch: &mut Watch, from: u64, to: u64) -> Vec<(u64, u32, Health)> {
    let mut seen = Vec::new();
    for tenth in from..to {
        watch.tick(at(tenth), &mut |transition| seen.push((tenth, transition.identity.id.get(), transition.to)));
    }
    seen
}

fn grid(profile: Profile) -> String {
    let mut text = String::from("| state |");
    for input in Input::ALL {
        text += &format!(" {input:?} |");
    }
    text += "\n|---|";
    text += &"---|".repeat(Input::ALL.len());
    for health in Health::ALL {
        text += &format!("\n| {health:?} |");
        for input in Input::ALL {
            match after(profile, health, input) {
                (_, Action::None) => text += " - |",
                (to, action) => text += &format!(" {to:?}, {action:?} |"),
            }
        }
    }
    text + "\n"
}

/// The grids of both profiles; those in the documentation are the same.
#[test]
fn the_grids_are_the_documented_ones() {
    insta::assert_snapshot!(grid(Profile::Product), @r"
    | state | Beat | Replay | Fresh | Late | Silent |
    |---|---|---|---|---|---|
    | Unknown | Alive, Found | - | - | - | Unknown, Expired |
    | Alive | - | - | - | Suspect, Suspected | Suspect, Suspected |
    | Suspect | Alive, Recovered | - | - | - | Dead, Died |
    | Dead | Alive, Returned | - | - | - | - |
    ");
    insta::assert_snapshot!(grid(Profile::Seed), @r"
    | state | Beat | Replay | Fresh | Late | Silent |
    |---|---|---|---|---|---|
    | Unknown | Alive, Found | Alive, Found | - | - | - |
    | Alive | - | - | - | Suspect, Suspected | Dead, Died |
    | Suspect | Alive, Recovered | Alive, Recovered | - | - | Dead, Died |
    | Dead | Alive, Returned | Alive, Returned | - | - | - |
    ");
    let docs = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/state-machines.md"));
    for (name, profile) in [("heartbeat", Profile::Product), ("heartbeat-seed", Profile::Seed)] {
        let marker = format!("<!-- grid:{name} -->");
        let section = docs.split(marker.as_str()).nth(1).expect("the section of this machine");
        assert_eq!(section.trim(), grid(profile).trim(), "{name}");
    }
}

/// `ekk:V11`.
#[test]
fn v11_first_beat_of_the_seed() {
    let mut watch = seed(1_000);
    let tick = watch.tick(Time::from_us(5_000), &mut |_| {});
    assert_eq!((tick.changes, tick.beat), (0, Some(1)));
    watch.sent(Time::from_us(5_000), true);
    assert_eq!(watch.last_beat(), Some(Time::from_us(5_000)));
}

/// `ekk:N6` under the seed's rules.
#[test]
fn n06_silence_of_the_seed() {
    let last = 1_000_000;
    let us = |us: u64| Time::from_us(last + us);
    let mut watch = seed(10_000);
    watch.add(us(0), peer(2)).expect("room");
    assert_eq!(watch.received(us(0), &peer(2), 1), Receipt::Found);
    assert_eq!(tick(&mut watch, us(9_999)), []);
    assert_eq!(tick(&mut watch, us(10_000)), [(2, Health::Alive, Health::Suspect)]);
    assert_eq!(watch.peer(us(10_000), NodeId::from_raw(2)).map(|view| view.misses), Some(1));
    assert_eq!(tick(&mut watch, us(49_999)), []);
    assert_eq!(tick(&mut watch, us(50_000)), [(2, Health::Suspect, Health::Dead)]);
    assert_eq!(watch.peer(us(50_000), NodeId::from_raw(2)).map(|view| view.misses), Some(5));
    // The seed takes a repeated sequence for life, and kills on a late tick without suspecting first.
    assert_eq!(watch.received(us(60_000), &peer(2), 1), Receipt::Returned);
    assert_eq!(tick(&mut watch, us(990_000)), [(2, Health::Alive, Health::Dead)]);
}

/// ekk:D-08: a clock that steps back kills nobody, and silence of any length is silence.
#[test]
fn d08_time_that_steps_back_kills_nobody() {
    for mut watch in [product(), seed(100_000)] {
        watch.add(at(0), peer(2)).expect("room");
        watch.received(at(100), &peer(2), 1);
        assert_eq!(tick(&mut watch, at(99)), []);
        assert_eq!(tick(&mut watch, Time::ZERO), []);
        watch.received(at(50), &peer(2), 2);
        assert_eq!(watch.peer(at(100), NodeId::from_raw(2)).and_then(|view| view.last_heard), Some(at(100)));
    }
    let mut watch = seed(10_000);
    watch.add(at(0), peer(2)).expect("room");
    watch.received(at(0), &peer(2), 1);
    let ages = Time::ZERO.after(Span::from_us(10_000).times(1 << 32)).after(Span::from_s(100));
    assert_eq!(tick(&mut watch, ages), [(2, Health::Alive, Health::Dead)]);
}

/// ekk:D-10b: we do not watch ourselves.
#[test]
fn d10_not_ourselves() {
    let mut watch = product();
    assert_eq!(watch.add(at(0), being(1, 7, 0)), Err(AddError::Invalid));
    assert_eq!(watch.add(at(0), being(0, 0, 0)), Err(AddError::Invalid));
    assert_eq!(watch.received(at(0), &peer(1), 1), Receipt::Stranger);
    assert_eq!(watch.len(), 0);
    for id in 2..18 {
        assert_eq!(watch.add(at(0), peer(id)), Ok(()));
    }
    assert_eq!(watch.add(at(0), peer(2)), Err(AddError::Exists));
    assert_eq!(watch.add(at(0), peer(99)), Err(AddError::Full));
    assert!(watch.remove(NodeId::from_raw(2)) && !watch.remove(NodeId::from_raw(2)));
    assert_eq!(watch.add(at(0), peer(99)), Ok(()));
}

/// ekk:D-14: jitter below a period makes nobody flap.
#[test]
fn d14_jitter_does_not_flap() {
    let mut watch = product();
    watch.add(at(0), peer(2)).expect("room");
    for beat in 0..200_u64 {
        let jitter = (beat * 7) % 10;
        let seen = run(&mut watch, beat * 10, beat * 10 + jitter);
        assert_eq!(seen, [], "beat {beat}");
        watch.received(at(beat * 10 + jitter), &peer(2), beat as u32 + 1);
        assert_eq!(run(&mut watch, beat * 10 + jitter, beat * 10 + 10), []);
    }
}

/// ekk:D-15: what is not newer is no sign of life: repeated, replayed, of an earlier being, or from too far ahead.
#[test]
fn d15_only_newer_beats_count() {
    let mut watch = product();
    watch.add(at(0), being(2, 5, 3)).expect("room");
    assert_eq!(watch.received(at(0), &being(2, 5, 3), 1000), Receipt::Found);
    assert_eq!(watch.received(at(1), &being(2, 5, 3), 1000), Receipt::Stale);
    assert_eq!(watch.received(at(1), &being(2, 5, 3), 999), Receipt::Stale);
    assert_eq!(watch.received(at(1), &being(2, 5, 2), 2000), Receipt::Past);
    assert_eq!(watch.received(at(1), &being(2, 4, 9), 2000), Receipt::Past);
    assert_eq!(watch.received(at(1), &being(2, 5 + (1 << 16) + 1, 0), 1), Receipt::Leap);
    assert_eq!(watch.received(at(1), &being(3, 1, 0), 1), Receipt::Stranger);
    let c = *watch.counters();
    assert_eq!((c.stale, c.past, c.leaps, c.strangers), (2, 2, 1, 1));
    assert_eq!(watch.peer(at(1), NodeId::from_raw(2)).and_then(|view| view.last_heard), Some(at(0)));
    assert_eq!(watch.received(at(1), &being(2, 5, 4), 1), Receipt::Steady, "a refutation starts a new sequence");
    assert_eq!(watch.received(at(2), &being(2, 5 + (1 << 16), 0), 1), Receipt::Steady);
    assert_eq!(watch.received(at(3), &being(2, 5 + (1 << 16), 0), u32::MAX / 2), Receipt::Steady);
    assert_eq!(watch.received(at(4), &being(2, 5 + (1 << 16), 0), u32::MAX - 5), Receipt::Steady);
    assert_eq!(watch.received(at(5), &being(2, 5 + (1 << 16), 0), 3), Receipt::Steady, "sequences wrap");
}

/// ekk:D-16: who never comes alive is not watched for ever.
#[test]
fn d16_the_unknown_expire() {
    let mut watch = product();
    watch.add(at(0), peer(2)).expect("room");
    watch.add(at(0), peer(3)).expect("room");
    watch.received(at(4), &peer(3), 1);
    let mut seen = Vec::new();
    for tenth in (0..=500).step_by(5) {
        if tenth % 10 == 0 {
            watch.received(at(tenth), &peer(3), 2 + tenth as u32);
        }
        watch.tick(at(tenth), &mut |transition| seen.push((tenth, transition.identity.id.get(), transition.to)));
    }
    assert_eq!(seen, [(500, 2, Health::Unknown)]);
    assert_eq!((watch.len(), watch.counters().expired), (1, 1));
    assert_eq!(watch.health(NodeId::from_raw(3)), Health::Alive);
}

/// ekk:D-17: settings that would disable detection are refused.
#[test]
fn d17_bad_settings_are_refused() {
    let good = Config::product(&Timing::preset(Preset::Lan));
    let new = |config| Watch::new(config, NodeId::from_raw(1)).map(|_| ());
    assert_eq!(new(good), Ok(()));
    assert_eq!(new(Config { period: Span::ZERO, ..good }), Err(ConfigError::Period(Span::ZERO)));
    assert_eq!(new(Config { period: Span::from_s(3601), ..good }), Err(ConfigError::Period(Span::from_s(3601))));
    for threshold in [0, 3, 17, 255] {
        assert_eq!(new(Config { threshold, ..good }), Err(ConfigError::Threshold(threshold)));
    }
    assert_eq!(new(Config { suspect: 0, ..good }), Err(ConfigError::Suspect(0)));
    assert_eq!(new(Config { suspect: 6, ..good }), Err(ConfigError::Suspect(6)));
    assert_eq!(new(Config { probation: P.over(2), ..good }), Err(ConfigError::Probation));
    assert_eq!(new(Config { threshold: 0, ..Config::seed() }), Err(ConfigError::Threshold(0)));
    assert_eq!(new(Config { period: Span::ZERO, ..Config::seed() }), Err(ConfigError::Period(Span::ZERO)));
}

/// ekk:D-31: a beat that could not be sent is asked for again, with a new sequence; the period is not stretched by coarse ticks.
#[test]
fn d31_own_beats() {
    let mut watch = product();
    let mut beats = Vec::new();
    for tenth in (0..100).step_by(3) {
        if let Some(sequence) = watch.tick(at(tenth), &mut |_| {}).beat {
            let done = sequence != 2;
            watch.sent(at(tenth), done);
            beats.push((sequence, tenth));
        }
    }
    assert_eq!(beats.len(), 11, "ten periods, one repetition: {beats:?}");
    assert_eq!(beats[1..3], [(2, 12), (3, 15)]);
    assert_eq!(watch.counters().send_failed, 1);
}

/// ekk:D-39: transitions are a list; an entry removed during the scan does not hide the next one.
#[test]
fn d39_nobody_is_skipped() {
    let mut watch = product();
    for id in 2..10 {
        watch.add(at(0), peer(id)).expect("room");
    }
    let seen = run(&mut watch, 0, 502);
    assert_eq!(seen.len(), 8);
    assert!(watch.is_empty());
}

/// decisions:CLU-13: a gap in our own running is no silence of the others.
#[test]
fn a_stall_of_ours_kills_nobody() {
    let mut watch = product();
    for id in 2..6 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    assert_eq!(run(&mut watch, 0, 10), []);
    let mut seen = Vec::new();
    let tick = watch.tick(at(5_009), &mut |transition| seen.push(transition));
    assert_eq!((tick.stalled, seen.len()), (Some(P.times(500)), 0));
    assert_eq!((watch.doubt().level(), watch.muted(), watch.doubt().recovering()), (DOUBT_MAX, true, true));
    assert_eq!(run(&mut watch, 5_010, 5_020), [], "all are as fresh as they were before the gap");
    watch.received(at(5_020), &peer(2), 500);
    watch.received(at(5_020), &peer(2), 501);
    run(&mut watch, 5_020, 5_021);
    assert!(watch.muted(), "one of four is not half");
    watch.received(at(5_021), &peer(3), 500);
    run(&mut watch, 5_021, 5_022);
    assert!(!watch.doubt().recovering());
    assert!(watch.doubt().level() < DOUBT_MAX);
    assert_eq!(watch.counters().stalls, 1);
    // A heartbeat may be the first to notice.
    watch.received(at(9_000), &peer(2), 900);
    assert_eq!(watch.tick(at(9_000), &mut |_| {}).stalled.map(|gap| gap > P.times(390)), Some(true));
}

/// membership:MB-7: a deaf node doubts itself: its thresholds stretch and it says nothing.
#[test]
fn a_deaf_node_is_muted() {
    let mut watch = product();
    for id in 2..10 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    let seen = run(&mut watch, 0, 200);
    assert_eq!(seen.len(), 8, "all are suspected at once, and none is dead after twenty periods: {seen:?}");
    assert!(watch.muted() && watch.doubt().level() == DOUBT_MAX);
    let late = run(&mut watch, 200, 600);
    assert_eq!(late.iter().map(|&(tenth, ..)| tenth).min(), Some(480), "six periods times eight");
}

/// Five silent of eight mute us at once, long before our own thresholds are stretched to their greatest.
#[test]
fn most_of_them_silent_mutes() {
    let mut watch = product();
    for id in 2..10 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    for tenth in 1..=20 {
        for id in 7..10 {
            watch.received(at(tenth), &peer(id), 1 + tenth as u32);
        }
        watch.tick(at(tenth), &mut |_| {});
        assert_eq!(watch.muted(), tenth == 20);
    }
    assert_eq!(watch.doubt().level(), 4);
}

/// One dead peer of eight makes nobody doubt: it is dead in time.
#[test]
fn one_silent_peer_is_dead_in_time() {
    let mut watch = product();
    for id in 2..10 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    let mut seen = Vec::new();
    for tenth in 1..100 {
        for id in 3..10 {
            if tenth % 10 == 0 {
                watch.received(at(tenth), &peer(id), 1 + tenth as u32);
            }
        }
        watch.tick(at(tenth), &mut |transition| seen.push((tenth, transition.identity.id.get(), transition.to)));
    }
    assert_eq!(seen, [(20, 2, Health::Suspect), (60, 2, Health::Dead)]);
    assert_eq!((watch.doubt().level(), watch.muted()), (1, false));
}

/// membership:MB-6: refuted statements raise doubt, and time without incident lowers it again.
#[test]
fn refutations_raise_doubt() {
    let mut watch = product();
    for _ in 0..3 {
        watch.refuted();
    }
    assert_eq!(watch.doubt().level(), 4);
    run(&mut watch, 0, 10 * 17);
    assert_eq!(watch.doubt().level(), 3);
    run(&mut watch, 10 * 17, 10 * 60);
    assert_eq!(watch.doubt().level(), 1);
    for _ in 0..50 {
        watch.refuted();
    }
    assert_eq!((watch.doubt().level(), watch.muted()), (DOUBT_MAX, true));
}

/// membership:MB-4: the threshold grows for a peer whose beats are lost in runs, and only for that peer.
#[test]
fn thresholds_adapt_to_runs_of_losses() {
    let mut watch = product();
    for id in 2..5 {
        watch.add(at(0), peer(id)).expect("room");
    }
    for beat in 0..3_000_u64 {
        let lost = [false, beat % 10 == 9, beat % 40 >= 36];
        for (id, lost) in (2..5).zip(lost) {
            if !lost {
                watch.received(at(beat * 10), &peer(id), beat as u32 + 1);
            }
        }
        watch.tick(at(beat * 10 + 5), &mut |_| {});
    }
    let thresholds: Vec<u8> =
        (2..5).filter_map(|id| watch.peer(at(29_990), NodeId::from_raw(id))).map(|v| v.threshold).collect();
    assert_eq!(thresholds[..2], [6, 6], "single losses are what six is for");
    assert!((10..=Config::THRESHOLD_MAX).contains(&thresholds[2]), "{thresholds:?}");
    assert!(watch.counters().lost > 500);
}

/// A slower sender is measured as such; a far one that jitters is given some slack.
#[test]
fn patience_follows_the_measured_gaps() {
    let mut watch = product();
    watch.add(at(0), peer(2)).expect("room");
    for beat in 0..100_u64 {
        watch.received(at(beat * 15), &peer(2), beat as u32 + 1);
        watch.tick(at(beat * 15), &mut |_| {});
    }
    let view = watch.peer(at(1_485), NodeId::from_raw(2)).expect("watched");
    assert!((145..=150).contains(&view.mean.as_ms()), "{view:?}");
    assert!(view.dead_at.since(at(1_485)) >= P.times(8));
    assert!(view.phi == crate::fixed::Q16::ZERO);
    let later = watch.peer(at(1_485 + 150), NodeId::from_raw(2)).expect("watched");
    assert!((later.phi.0 - 284_620).abs() < 20_000, "ten mean gaps are a chance of about 10^-4.3: {}", later.phi);
}

/// A tick at an earlier time kills nobody, not even who was overdue before (ekk:D-08).
#[test]
fn d08_an_overdue_peer_survives_a_step_back() {
    let mut watch = product();
    for id in 2..6 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    let mut now = 0;
    while now < 56 || watch.doubt().level() > 1 {
        now += 1;
        for id in 3..6 {
            watch.received(at(now), &peer(id), 1 + now as u32);
        }
        if now == 55 {
            // Twice the patience until the doubt fades; then the peer has been silent for too long already.
            watch.refuted();
        }
        watch.tick(at(now), &mut |_| {});
    }
    assert!(watch.peer(at(now), NodeId::from_raw(2)).is_some_and(|view| view.dead_at <= at(now - 1)));
    assert_eq!(tick(&mut watch, at(now - 1)), []);
    assert_eq!(watch.health(NodeId::from_raw(2)), Health::Suspect);
    assert_eq!(tick(&mut watch, at(now + 1)), [(2, Health::Suspect, Health::Dead)]);
}

/// A confirmation that makes a suspect alive again is judged from its own age on, not from the next heartbeat on.
#[test]
fn a_confirmed_peer_is_suspected_again_in_time() {
    let mut watch = product();
    for id in 2..6 {
        watch.add(at(0), peer(id)).expect("room");
        watch.received(at(0), &peer(id), 1);
    }
    let mut seen = Vec::new();
    for tenth in 1..60_u64 {
        if tenth % 10 == 0 {
            for id in 3..6 {
                watch.received(at(tenth), &peer(id), 1 + tenth as u32);
            }
        }
        if tenth == 31 {
            assert!(watch.confirmed(at(31), &peer(2), 3, P));
        }
        watch.tick(at(tenth), &mut |transition| seen.push((tenth, transition.to)));
    }
    assert_eq!(seen, [(20, Health::Suspect), (41, Health::Suspect)]);
}

/// An indirect confirmation is as good as a beat of that age, unless it is old news.
#[test]
fn indirect_confirmation() {
    let mut watch = product();
    watch.add(at(0), peer(2)).expect("room");
    watch.add(at(0), peer(3)).expect("room");
    watch.add(at(0), peer(4)).expect("room");
    for id in 2..5 {
        watch.received(at(0), &peer(id), 10);
    }
    for beat in 1..4 {
        watch.received(at(beat * 10), &peer(3), 10 + beat as u32);
        watch.received(at(beat * 10), &peer(4), 10 + beat as u32);
        run(&mut watch, beat * 10, beat * 10 + 10);
    }
    assert_eq!(watch.health(NodeId::from_raw(2)), Health::Suspect);
    assert!(!watch.confirmed(at(40), &peer(2), 10, Span::ZERO), "not newer");
    assert!(!watch.confirmed(at(40), &being(2, 9, 0), 11, Span::ZERO), "another being");
    assert!(watch.confirmed(at(40), &peer(2), 12, P));
    assert_eq!(watch.health(NodeId::from_raw(2)), Health::Alive);
    assert_eq!(watch.tally(Health::Alive), 3);
    assert_eq!(watch.received(at(41), &peer(2), 12), Receipt::Stale, "what was confirmed does not count twice");
}

/// ekk:footprint: 64 watched peers.
#[test]
fn footprint() {
    assert!(size_of::<Heartbeat<64, 128>>() <= 5_000, "{}", size_of::<Heartbeat<64, 128>>());
}
