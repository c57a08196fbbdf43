//! TLS as both ends use it: version 1.3, a certificate from each, no resumption.
//!
//! A session taken up again would skip the judgement of certificates, so it is never offered. Each handshake has a verifier of
//! its own, which keeps the exact reason of a refusal; the alert that goes to the other side is coarser.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::settings::Clock;
use crate::cluster::identity::trust::{Proven, Role};
use crate::cluster::identity::{Identity, IdentityError, Refused, Trust};

const ALPN: &[u8] = b"trefoil/1";
/// Name asked for in the handshake; who answers is told by the certificate's URI and nothing else.
pub(super) const SERVER_NAME: &str = "node.trefoil";

/// Streams one peer may have open towards us.
pub const STREAMS_MAX: u32 = 16;
/// Bytes one stream may have under way.
pub const STREAM_WINDOW: u32 = 64 << 10;

/// What a verifier found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found(Arc<Mutex<Option<Result<Proven, Refused>>>>);

impl Found {
    fn set(&self, found: &Result<Proven, Refused>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
    }

    /// Who the peer is, or why it is refused; `None` before it showed a certificate.
    pub(super) fn get(&self) -> Option<Result<Proven, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
struct Verifier {
    trust: Arc<Trust>,
    clock: Clock,
    found: Found,
}

impl Verifier {
    fn judge(&self, der: &CertificateDer<'_>, chain: &[CertificateDer<'_>], role: Role) -> Result<(), rustls::Error> {
        let judged = if chain.is_empty() {
            self.trust.check_peer(der, role, (self.clock)())
        } else {
            // There are no intermediate authorities.
            Err(Refused::Malformed)
        };
        self.found.set(&judged);
        judged.map(|_| ()).map_err(|reason| rustls::Error::InvalidCertificate(alert(reason)))
    }

    fn signature(
        &self,
        message: &[u8],
        der: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, der, signature, &self.trust.provider().signature_verification_algorithms)
    }
}

/// What makes rustls send the alert that [`Refused::from_alert`] reads.
fn alert(reason: Refused) -> CertificateError {
    match reason {
        Refused::WrongCa => CertificateError::UnknownIssuer,
        Refused::Ended => CertificateError::Expired,
        Refused::NotYet => CertificateError::NotValidYet,
        Refused::Revoked => CertificateError::Revoked,
        Refused::WrongCluster => CertificateError::ApplicationVerificationFailure,
        _ => CertificateError::BadEncoding,
    }
}

const NO_OLD_TLS: rustls::Error = rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, Role::Server).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _der: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(NO_OLD_TLS)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        der: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, der, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, Role::Client).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _der: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(NO_OLD_TLS)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        der: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, der, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Makes the configuration of each handshake.
#[derive(Debug)]
pub(super) struct Tls {
    trust: Arc<Trust>,
    clock: Clock,
    key: Arc<SingleCertAndKey>,
    transport: Arc<TransportConfig>,
}

impl Tls {
    pub(super) fn new(identity: &Identity, clock: Clock, idle: Duration) -> Result<Self, IdentityError> {
        let broken = |error: &dyn std::fmt::Display| IdentityError::Broken(format!("TLS: {error}"));
        let provider = identity.trust.provider();
        let chain = vec![identity.certificate.der.clone()];
        let key = CertifiedKey::from_der(chain, identity.private_key(), provider).map_err(|error| broken(&error))?;
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(STREAM_WINDOW * 8))
            .send_window(u64::from(STREAM_WINDOW) * 8)
            .datagram_receive_buffer_size(None)
            .max_idle_timeout(Some(IdleTimeout::try_from(idle).map_err(|error| broken(&error))?))
            .keep_alive_interval(Some(idle / 4));
        Ok(Self {
            trust: Arc::clone(&identity.trust),
            clock,
            key: Arc::new(SingleCertAndKey::from(key)),
            transport: Arc::new(transport),
        })
    }

    fn verifier(&self, found: &Found) -> Arc<Verifier> {
        Arc::new(Verifier { trust: Arc::clone(&self.trust), clock: self.clock, found: found.clone() })
    }

    /// For one dial.
    pub(super) fn client(&self, found: &Found) -> Result<quinn::ClientConfig, rustls::Error> {
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(self.trust.provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(found))
            .with_client_cert_resolver(Arc::clone(&self.key) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        let quic = QuicClientConfig::try_from(config).map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::clone(&self.transport));
        Ok(config)
    }

    /// For one handshake that comes in.
    pub(super) fn server(&self, found: &Found) -> Result<quinn::ServerConfig, rustls::Error> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(self.trust.provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(self.verifier(found))
            .with_cert_resolver(Arc::clone(&self.key) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let quic = QuicServerConfig::try_from(config).map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(quic));
        config.transport_config(Arc::clone(&self.transport));
        Ok(config)
    }
}
