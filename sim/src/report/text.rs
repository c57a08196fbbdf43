//! A report for people.

use std::fmt::{self, Write as _};

use super::{Latency, Report};

/// Most samples of the wrong neighbours shown.
const SAMPLES_SHOWN: usize = 8;

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.p50_ms, self.p99_ms, self.max_ms) {
            (Some(p50), Some(p99), Some(max)) => {
                write!(f, "p50 {p50:.0} ms, p99 {p99:.0} ms, max {max:.0} ms ({} times)", self.count)
            }
            _ => f.write_str("-"),
        }
    }
}

impl Report {
    /// The report as text, one line a topic.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, f: &mut String) -> fmt::Result {
        writeln!(f, "{}: {}", self.protocol, self.about)?;
        let (nodes, seed, hash) = (self.nodes, self.seed, &self.state_hash);
        let (seconds, hours) = (self.virtual_s, self.node_hours);
        writeln!(f, "  {nodes} nodes, {seconds:.1} s virtual, {hours:.2} node-hours, seed {seed}, state {hash}")?;
        let (detected, crashes, back) = (self.detected, self.crashes, self.returned_before);
        writeln!(f, "  crashes      {crashes}, known to 99 %: {detected}, back before that: {back}")?;
        writeln!(f, "  detection    {}; first {}", self.detection, self.first_known)?;
        if let Some(rounds) = self.rounds_to_99 {
            writeln!(f, "  news         {rounds:.1} rounds from the first who knew to 99 % (p99)")?;
        }
        let (removed, rate) = (self.false_removals, self.false_removals_per_node_hour);
        writeln!(f, "  false        {removed} removals of the living, {rate:.6} a node-hour")?;
        self.write_removals(f)?;
        self.write_traffic(f)?;
        self.write_neighbours(f)?;
        if self.formed.count > 0 {
            writeln!(f, "  formed       {}", self.formed)?;
        }
        let heal = &self.heal;
        let (across, undone, returned) = (heal.removed_across, heal.undone, heal.returned);
        let (refuted, valves, alone) = (heal.refuted, heal.valves, heal.alone);
        writeln!(
            f,
            "  healing      {across} removed across a partition, told: {undone} undone, {returned} returned, {refuted} refuted, \
             {valves} valves shut, {alone} alone, {} heal reports",
            heal.reports
        )?;
        if self.ballots_decided > 0 {
            writeln!(f, "  ballots      {} results told", self.ballots_decided)?;
        }
        if let Some(braid) = &self.braid {
            let ([doubt, redone, dropped], [sent, left_out]) = (braid.in_doubt, braid.projections);
            let (over, level, loads) = (braid.handed_over, braid.level_after, &braid.loads);
            let level =
                level.map_or("not level".to_owned(), |rounds| format!("level {rounds} rounds after the last fault"));
            writeln!(f, "  braid        loads {loads:?}, {level}, {} rounds", braid.rounds)?;
            writeln!(f, "  hand-over    {over} handed over, {doubt} in doubt, {redone} redone, {dropped} dropped")?;
            writeln!(f, "  projections  {sent} sent, {left_out} left out by the cap")?;
        }
        if let Some([sent, taken, acknowledged, in_doubt, wrong]) = self.commands {
            writeln!(
                f,
                "  commands     {sent} sent, {taken} taken, {acknowledged} acknowledged, {in_doubt} in doubt, {wrong} wrong"
            )?;
        }
        writeln!(f, "  memory       {} bytes a node", self.bytes_per_node)?;
        self.write_speed(f)?;
        match &self.violation {
            Some(what) => writeln!(f, "  FAILED       {what}"),
            None => writeln!(f, "  fine         every check held"),
        }
    }

    fn write_removals(&self, f: &mut String) -> fmt::Result {
        for cause in self.removals.iter().filter(|cause| cause.removed > 0) {
            let judged = if cause.is_false { "false" } else { "reported" };
            writeln!(f, "    {:<20} {:>6} {judged}", cause.cause, cause.removed)?;
        }
        Ok(())
    }

    fn write_traffic(&self, f: &mut String) -> fmt::Result {
        let (packets, bytes) = (self.packets_per_node_s, self.bytes_per_node_s);
        writeln!(f, "  traffic      {packets:.1} packets, {bytes:.0} bytes a node and second")?;
        for class in self.traffic.iter().filter(|class| class.packets > 0.0) {
            writeln!(f, "    {:<20} {:>9.2} packets {:>10.1} bytes", class.class, class.packets, class.bytes)?;
        }
        let lost: Vec<String> =
            self.lost.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
        let (replayed, astray, held) = (self.replayed, self.astray, self.held_over);
        let shakes = self.handshakes;
        writeln!(f, "  lost         {}", if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") })?;
        writeln!(f, "  link         {replayed} replayed, {astray} astray, {held} held over, {shakes} hand-shakes")
    }

    fn write_neighbours(&self, f: &mut String) -> fmt::Result {
        if self.wrong_neighbours.is_empty() {
            return Ok(());
        }
        let step = self.wrong_neighbours.len().div_ceil(SAMPLES_SHOWN);
        write!(f, "  neighbours   wrong a node:")?;
        let last = self.wrong_neighbours.len() - 1;
        let shown = self.wrong_neighbours.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
        for (_, (at_s, wrong)) in shown {
            write!(f, " {wrong:.2} at {at_s:.0} s,")?;
        }
        f.truncate(f.len() - 1);
        writeln!(f)
    }

    fn write_speed(&self, f: &mut String) -> fmt::Result {
        let Some(speed) = &self.speed else { return Ok(()) };
        let (times, wall, ticks) = (speed.times_real, speed.wall_s, speed.node_ticks_per_s);
        let events = speed.events_per_s;
        writeln!(
            f,
            "  speed        {times:.1} x real time ({wall:.2} s), {ticks:.0} node-ticks/s, {events:.0} events/s"
        )
    }
}
