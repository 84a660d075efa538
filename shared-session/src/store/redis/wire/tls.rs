//! TLS for `rediss://`: rustls with ring, regardless of the provider that the service has installed.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, Error as TlsError, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::failure::Unsent;

/// The trusted authorities and our own certificate, in PEM.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Makes encrypted connections.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Returns an error text if the certificates cannot be used; the text quotes nothing of them.
    pub(crate) fn new(certificates: &Certificates) -> Result<Self, &'static str> {
        const NO_AUTHORITY: &str = "the authorities for Redis are not PEM certificates";
        const NO_CERTIFICATE: &str = "the client certificate for Redis is none in PEM";
        const NO_KEY: &str = "the key of the client certificate for Redis is none in PEM";
        const NO_PAIR: &str = "the client certificate for Redis and its key do not belong together";

        let mut roots = RootCertStore::empty();
        match &certificates.roots {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|_| NO_AUTHORITY)?;
                    roots.add(certificate).map_err(|_| NO_AUTHORITY)?;
                }
            }
        }
        if roots.is_empty() {
            return Err(NO_AUTHORITY);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| "no version of TLS can be spoken with Redis")?
            .with_root_certificates(roots);
        let config = match &certificates.client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain: Vec<_> =
                    CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| NO_CERTIFICATE)?;
                if chain.is_empty() {
                    return Err(NO_CERTIFICATE);
                }
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| NO_KEY)?;
                config.with_client_auth_cert(chain, key).map_err(|_| NO_PAIR)?
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn handshake(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Unsent> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Unsent::new("Redis cannot be reached: its name cannot be in a certificate"))?;
        self.0.connect(name, stream).await.map_err(|error| Unsent::new(reason(&error)))
    }
}

/// Our own text, because rustls' texts name hosts.
fn reason(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "Redis cannot be reached: the TLS handshake failed, its certificate is of an authority that is not trusted"
        }
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "Redis cannot be reached: the TLS handshake failed, its certificate is for another name",
        Some(TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => "Redis cannot be reached: the TLS handshake failed, its certificate is not valid at this time",
        _ => "Redis cannot be reached: the TLS handshake failed",
    }
}
