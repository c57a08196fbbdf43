//! iceoryx2 publish-subscribe, one publisher and one subscriber, copy in and copy out as the other links do.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;

use super::{RECORDS, Recv, Send};

/// Sending end.
pub struct IceSend {
    publisher: Publisher<ipc::Service, [u64], ()>,
    _node: Node<ipc::Service>,
}

/// Receiving end.
pub struct IceRecv {
    subscriber: Subscriber<ipc::Service, [u64], ()>,
    _node: Node<ipc::Service>,
}

type Factory = iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u64], ()>;

fn service(name: &str) -> (Node<ipc::Service>, Factory) {
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2 node");
    let service = node
        .service_builder(&name.try_into().expect("a service name"))
        .publish_subscribe::<[u64]>()
        .max_publishers(1)
        .max_subscribers(1)
        .subscriber_max_buffer_size(RECORDS)
        .subscriber_max_borrowed_samples(2)
        .enable_safe_overflow(false)
        .open_or_create()
        .expect("iceoryx2 service");
    (node, service)
}

impl IceSend {
    /// Opens or creates the service and its publisher, which waits when the subscriber is full.
    pub fn new(name: &str, payload: usize) -> Self {
        let (node, service) = service(name);
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(payload)
            .max_loaned_samples(2)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .expect("iceoryx2 publisher");
        Self { publisher, _node: node }
    }

    /// Waits until a subscriber is there, so that no message is sent to nobody.
    pub fn connected(&self) -> bool {
        self.publisher.update_connections().is_ok()
    }
}

impl IceRecv {
    /// Opens or creates the service and its subscriber.
    pub fn new(name: &str) -> Self {
        let (node, service) = service(name);
        let subscriber = service.subscriber_builder().create().expect("iceoryx2 subscriber");
        Self { subscriber, _node: node }
    }
}

impl Send for IceSend {
    #[inline]
    fn send(&mut self, payload: &[u64]) {
        let sample = self.publisher.loan_slice_uninit(payload.len()).expect("a free sample");
        sample.write_from_slice(payload).send().expect("delivered");
    }
}

impl Recv for IceRecv {
    #[inline]
    fn recv(&mut self, out: &mut [u64]) -> bool {
        match self.subscriber.receive() {
            Ok(Some(sample)) => {
                out.copy_from_slice(sample.payload());
                true
            }
            _ => false,
        }
    }
}
