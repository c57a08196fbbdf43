//! A node as a whole: real nodes that exchange only messages (`ekk` sections 8, 12, 13).

mod node_support;

use ekk::fixed::Q16;
use ekk::node::{Health, State};
use ekk::time::Span;
use node_support::{Net, id};

/// ekk:P23 ekk:D-05 ekk:D-30: two nodes that exchange only messages converge to gradient = other - own.
#[test]
fn two_nodes_converge_to_the_difference() {
    let mut net = Net::warm(1, &[1, 2]);
    net.node(1).set_component(0, Q16(10_000));
    net.node(2).set_component(0, Q16(50_000));
    net.run(Span::from_ms(500));
    assert_eq!(net.gradient(1, 0), Some(Q16(40_000)));
    assert_eq!(net.gradient(2, 0), Some(Q16(-40_000)));
    let now = net.now;
    let health: Vec<Health> = net.node(1).neighbours(now).map(|view| view.health).collect();
    assert_eq!(health, [Health::Alive]);
    assert_eq!(net.state(1), State::Active, "a cluster of two is whole with one neighbour (ekk:D-37)");
    assert_eq!(
        net.node(1).neighbours(now).next().unwrap().its_neighbours[0],
        id(1),
        "its neighbours travel for drawing"
    );
}
