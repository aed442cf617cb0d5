//! The webhook on a real TLS socket.

#[cfg(test)]
mod socket {
    use http::{Request, StatusCode};
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::TokioIo;
    use operator::admission::{Admission, Lookup, router, serve};
    use operator_api::validate::Settings;
    use rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    };
    use std::{net::SocketAddr, sync::Arc};
    use tokio::{
        net::{TcpListener, TcpStream},
        sync::oneshot,
    };
    use tokio_rustls::TlsConnector;

    async fn get(address: SocketAddr, client: Arc<ClientConfig>) -> std::io::Result<(StatusCode, String)> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(client).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get("/healthz")
            .header("host", "localhost")
            .body(Full::<bytes::Bytes>::default())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    #[tokio::test]
    async fn answers_on_tls_survives_noise_and_stops_when_asked() {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let admission = Admission::new(Settings::default(), Default::default(), Lookup::blind());
        let shutdown = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(serve(listener, Arc::new(server), router(admission), shutdown));

        // A client that speaks no TLS is let go and bothers nobody else.
        let mut noise = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut noise, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let client = Arc::new(client);
        assert_eq!(
            get(address, Arc::clone(&client)).await.unwrap(),
            (StatusCode::OK, "ok".to_owned())
        );
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        assert!(get(address, client).await.is_err(), "nothing listens any more");
    }
}
