//! Ballots: threshold votes over a fixed electorate.
