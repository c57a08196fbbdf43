//! Properties of the detector over random histories.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::profile::{Preset, Timing};

type Watch = Heartbeat<8, 16>;

const P: Span = Span::from_ms(100);

fn product() -> Watch {
    Watch::new(Config::product(&Timing::preset(Preset::Lan)), NodeId::from_raw(1)).expect("valid")
}

fn peer(raw: u32) -> Identity {
    Identity { id: NodeId::from_raw(raw), boot_inc: 1, life: 0 }
}

fn allowed(from: Health, to: Health) -> bool {
    use Health::{Alive, Dead, Suspect, Unknown};
    matches!((from, to), (Unknown, Alive | Unknown) | (Alive, Suspect) | (Suspect, Alive | Dead) | (Dead, Alive))
}

#[derive(Clone, Debug)]
enum Step {
    Beat(u32, u32),
    Tick(u64),
    Back(u64),
    Refuted,
    Confirmed(u32, u32, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (2_u32..6, 0_u32..40).prop_map(|(id, sequence)| Step::Beat(id, sequence)),
        6 => (1_u64..350).prop_map(Step::Tick),
        1 => (1_u64..5_000).prop_map(Step::Back),
        1 => Just(Step::Refuted),
        1 => (2_u32..6, 0_u32..40, 0_u64..500).prop_map(|(id, sequence, age)| Step::Confirmed(id, sequence, age)),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// ekk:P11: edges of the automaton only as specified, whatever happens; a replay never revives; time that steps back never
    /// kills; the tally is true and no verdict is overdue.
    #[test]
    fn p11_edges(steps in steps()) {
        let mut watch = product();
        let mut now = Time::from_ms(1_000_000);
        for id in 2..6 {
            watch.add(now, peer(id)).expect("room");
        }
        let mut newest = [None::<u32>; 6];
        for step in steps {
            let before: Vec<(u32, Health)> = (2..6).map(|id| (id, watch.health(NodeId::from_raw(id)))).collect();
            let mut seen = Vec::new();
            match step {
                Step::Beat(id, sequence) => {
                    let receipt = watch.received(now, &peer(id), sequence);
                    let last = &mut newest[id as usize];
                    if receipt == Receipt::Found {
                        // It may have expired and come back in between; then its window starts anew.
                        *last = Some(sequence);
                    } else if receipt != Receipt::Stranger {
                        let newer = last.is_none_or(|last| sequence > last);
                        prop_assert_eq!(receipt == Receipt::Stale, !newer);
                        *last = Some(last.map_or(sequence, |last| last.max(sequence)));
                    }
                }
                Step::Tick(ms) => {
                    now = now.after(Span::from_ms(ms));
                    watch.tick(now, &mut |transition| seen.push(transition));
                }
                Step::Back(ms) => {
                    let earlier = now.before(Span::from_ms(ms));
                    watch.tick(earlier, &mut |transition| seen.push(transition));
                    let nobody = seen.iter().all(|transition| transition.to != Health::Dead);
                    prop_assert!(nobody, "killed by a step back");
                }
                Step::Refuted => watch.refuted(),
                Step::Confirmed(id, sequence, age) => {
                    if watch.confirmed(now, &peer(id), sequence, Span::from_ms(age)) {
                        let last = &mut newest[id as usize];
                        prop_assert!(last.is_some_and(|last| sequence > last));
                        *last = Some(sequence);
                    }
                }
            }
            for transition in &seen {
                prop_assert!(allowed(transition.from, transition.to), "{transition:?}");
            }
            let confirming = |from, to| from == Health::Dead && to == Health::Alive;
            for (id, from) in before {
                let to = watch.health(NodeId::from_raw(id));
                let gone = watch.peer(now, NodeId::from_raw(id)).is_none();
                prop_assert!(from == to || gone || allowed(from, to) || confirming(from, to), "{from:?} to {to:?}");
                prop_assert!((1..=DOUBT_MAX).contains(&watch.doubt().level()));
            }
            let counted: usize = Health::ALL.iter().map(|&health| watch.tally(health)).sum();
            prop_assert_eq!(counted, watch.len());
            for health in Health::ALL {
                prop_assert_eq!(watch.tally(health), watch.peers(now).filter(|view| view.health == health).count());
            }
        }
    }

    /// ekk:P11: dead within (T + 1) periods and one tick of the last beat.
    #[test]
    fn p11_silence_is_found_in_time(beats in 1_u64..40, tick_ms in 1_u64..100, loss: u64) {
        let mut watch = product();
        let (mut now, mut last) = (Time::from_ms(1_000), Time::ZERO);
        for id in 2..7 {
            watch.add(now, peer(id)).expect("room");
        }
        let (mut died, mut next_beat, mut beat) = (None, now, 0);
        while died.is_none() {
            if now >= next_beat {
                beat += 1;
                next_beat = next_beat.after(P);
                for id in 2..7 {
                    let lost = (loss >> (beat % 64)) & 3 == 3;
                    if id > 2 || (beat <= beats && (!lost || beat == 1)) {
                        watch.received(now, &peer(id), beat as u32);
                        last = if id == 2 { now } else { last };
                    }
                }
            }
            watch.tick(now, &mut |transition| {
                if transition.to == Health::Dead {
                    died = Some((transition.identity.id.get(), now));
                }
            });
            now = now.after(Span::from_ms(tick_ms));
            prop_assert!(now < Time::from_ms(60_000));
        }
        let (who, when) = died.expect("the loop ended");
        prop_assert_eq!(who, 2);
        let threshold = watch.peer(now, NodeId::from_raw(2)).map_or(0, |view| view.threshold);
        let bound = P.times(u64::from(threshold) + 1).plus(Span::from_ms(tick_ms)).plus(Span::from_ms(1));
        // The mean gap may exceed the period by the tick that delivers the beat.
        let slack = Span::from_ms(tick_ms).times(u64::from(threshold));
        prop_assert!(when.since(last) <= bound.plus(slack), "{} after the last beat", when.since(last));
        prop_assert!(when.since(last) >= P.times(6));
    }

    /// ekk:P11: never dead, and with jitter below a period not even flapping to dead, while beats arrive.
    #[test]
    fn p11_jitter_kills_nobody(jitters in proptest::collection::vec(0_u64..100, 1..200), tick_ms in 1_u64..150) {
        let mut watch = product();
        let start = Time::from_ms(1_000);
        watch.add(start, peer(2)).expect("room");
        let arrivals: Vec<Time> =
            jitters.iter().enumerate().map(|(i, &jitter)| start.after(P.times(i as u64)).after(Span::from_ms(jitter))).collect();
        let (mut now, mut next) = (start, 0);
        while next < arrivals.len() {
            while next < arrivals.len() && arrivals[next] <= now {
                watch.received(arrivals[next], &peer(2), next as u32 + 1);
                next += 1;
            }
            let mut dead = false;
            watch.tick(now, &mut |transition| dead |= transition.to == Health::Dead);
            prop_assert!(!dead);
            now = now.after(Span::from_ms(tick_ms));
        }
    }

    /// The bound kept ahead of the scan is never late: ticking at every step equals ticking with a forced scan.
    #[test]
    fn the_earliest_instant_is_never_late(steps in steps()) {
        let (mut lazy, mut eager) = (product(), product());
        let mut now = Time::from_ms(1_000_000);
        for id in 2..6 {
            lazy.add(now, peer(id)).expect("room");
            eager.add(now, peer(id)).expect("room");
        }
        for step in steps {
            match step {
                Step::Beat(id, sequence) => {
                    prop_assert_eq!(lazy.received(now, &peer(id), sequence), eager.received(now, &peer(id), sequence));
                }
                Step::Tick(ms) => {
                    now = now.after(Span::from_ms(ms));
                    eager.due = Time::ZERO;
                    let (mut first, mut second) = (Vec::new(), Vec::new());
                    lazy.tick(now, &mut |transition| first.push(transition));
                    eager.tick(now, &mut |transition| second.push(transition));
                    prop_assert_eq!(first, second);
                }
                Step::Back(_) => {}
                Step::Refuted => {
                    lazy.refuted();
                    eager.refuted();
                }
                Step::Confirmed(id, sequence, age) => {
                    let age = Span::from_ms(age);
                    let both = [&mut lazy, &mut eager].map(|watch| watch.confirmed(now, &peer(id), sequence, age));
                    prop_assert_eq!(both[0], both[1]);
                }
            }
        }
    }
}
