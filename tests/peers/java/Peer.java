import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * An echo server and its client over Java's JSSE. Arguments: see tests/src/peers/scripted.rs.
 *
 * <p>The server prints {@code READY <port>}, then a JSON object for each handshake. The client makes
 * as many connections as it is told, offering to resume the last, and prints one object for the last.
 */
public final class Peer {
    private static final char[] PASSWORD = "none".toCharArray();

    public static void main(String[] words) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String word : Arrays.asList(words).subList(1, words.length)) {
            int at = word.indexOf('=');
            options.put(word.substring(0, at), word.substring(at + 1));
        }
        SSLContext context = context(options);
        if (words[0].equals("server")) {
            serve(context, options);
        } else {
            connect(context, options);
        }
    }

    private static SSLContext context(Map<String, String> options) throws Exception {
        KeyManagerFactory keys = null;
        if (options.containsKey("chain")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            Certificate[] chain = certificates(options.get("chain"));
            store.setKeyEntry("identity", key(options.get("key")), PASSWORD, chain);
            keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, PASSWORD);
        }
        TrustManagerFactory trust = null;
        if (options.containsKey("root")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setCertificateEntry("root", certificates(options.get("root"))[0]);
            trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(
                keys == null ? null : keys.getKeyManagers(),
                trust == null ? null : trust.getTrustManagers(),
                null);
        return context;
    }

    private static Certificate[] certificates(String file) throws Exception {
        try (InputStream text = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509")
                    .generateCertificates(text)
                    .toArray(new Certificate[0]);
        }
    }

    private static PrivateKey key(String file) throws Exception {
        String text = Files.readString(Path.of(file));
        byte[] der = Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]*-----", ""));
        for (String algorithm : List.of("RSA", "EC", "EdDSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
            } catch (InvalidKeySpecException otherAlgorithm) {
                // The next one.
            }
        }
        throw new GeneralSecurityException("no key in " + file);
    }

    private static void configure(SSLParameters parameters, Map<String, String> options) {
        parameters.setProtocols(new String[] {"TLSv" + options.get("version")});
        if (!options.getOrDefault("suites", "").isEmpty()) {
            parameters.setCipherSuites(options.get("suites").split(","));
        }
        if (!options.getOrDefault("alpn", "").isEmpty()) {
            parameters.setApplicationProtocols(options.get("alpn").split(","));
        }
    }

    private static void serve(SSLContext context, Map<String, String> options) throws Exception {
        SSLServerSocket listener =
                (SSLServerSocket)
                        context.getServerSocketFactory()
                                .createServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        SSLParameters parameters = listener.getSSLParameters();
        configure(parameters, options);
        parameters.setNeedClientAuth(options.containsKey("root"));
        listener.setSSLParameters(parameters);
        System.out.println("READY " + listener.getLocalPort());
        while (true) {
            SSLSocket socket = (SSLSocket) listener.accept();
            new Thread(() -> echo(socket, options.containsKey("renegotiate"))).start();
        }
    }

    private static void echo(SSLSocket socket, boolean renegotiates) {
        try (socket) {
            socket.setSoTimeout(20_000);
            socket.startHandshake();
            print(describe(socket));
            if (renegotiates) {
                byte[] first = new byte[1 << 14];
                int length = socket.getInputStream().read(first);
                socket.getOutputStream().write(first, 0, length);
                socket.startHandshake();
            }
            socket.getInputStream().transferTo(socket.getOutputStream());
            socket.shutdownOutput();
        } catch (IOException error) {
            print(Map.of("error", error.toString()));
        }
    }

    private static Map<String, String> describe(SSLSocket socket) {
        Map<String, String> told = new LinkedHashMap<>();
        told.put("version", socket.getSession().getProtocol());
        told.put("suite", socket.getSession().getCipherSuite());
        String protocol = socket.getApplicationProtocol();
        if (protocol != null && !protocol.isEmpty()) {
            told.put("alpn", protocol);
        }
        // JSSE does not say whether a session was resumed, but it then is as old as the first.
        told.put("session", Long.toString(socket.getSession().getCreationTime()));
        return told;
    }

    /** It only begins when it is asked to, and goes on where somebody reads; what is written meanwhile goes between. */
    private static void renegotiate(SSLSocket socket) throws IOException {
        AtomicBoolean done = new AtomicBoolean();
        socket.addHandshakeCompletedListener(event -> done.set(true));
        socket.startHandshake();
        socket.setSoTimeout(100);
        for (int left = 150; left > 0 && !done.get(); left--) {
            try {
                socket.getInputStream().read();
                throw new IOException("there is data, or the end");
            } catch (SocketTimeoutException nothing) {
                // The records of the handshake are no data.
            }
        }
        socket.setSoTimeout(15_000);
    }

    private static synchronized void print(Map<String, String> told) {
        System.out.println(
                told.entrySet().stream()
                        .map(field -> quoted(field.getKey()) + ": " + quoted(field.getValue()))
                        .collect(Collectors.joining(", ", "{", "}")));
    }

    private static String quoted(String text) {
        String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        return '"' + escaped + '"';
    }

    private static void connect(SSLContext context, Map<String, String> options) throws Exception {
        String line = options.get("line");
        int count = Integer.parseInt(options.get("count"));
        StringBuilder lines = new StringBuilder();
        for (int number = 0; number < count; number++) {
            lines.append(count > 1 ? String.format("%s %07d\n", line, number) : line + "\n");
        }
        byte[] data = lines.toString().getBytes(StandardCharsets.UTF_8);
        Map<String, String> told = new LinkedHashMap<>();
        List<String> sessions = new ArrayList<>();
        try {
            for (int left = Integer.parseInt(options.get("connections")); left > 0; left--) {
                told = exchange(context, options, line, data);
                sessions.add(told.remove("session"));
                // Creation times have milliseconds.
                Thread.sleep(5);
            }
        } catch (IOException error) {
            told.put("error", error.toString());
        }
        int last = sessions.size() - 1;
        told.put("resumed", Boolean.toString(last > 0 && sessions.get(last).equals(sessions.get(0))));
        print(told);
        System.exit(told.containsKey("error") ? 1 : 0);
    }

    private static Map<String, String> exchange(
            SSLContext context, Map<String, String> options, String line, byte[] data)
            throws Exception {
        int port = Integer.parseInt(options.get("port"));
        String name = options.get("server_name");
        Socket transport = new Socket(options.get("host"), port);
        try (SSLSocket socket =
                (SSLSocket) context.getSocketFactory().createSocket(transport, name, port, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            configure(parameters, options);
            parameters.setServerNames(List.of(new SNIHostName(name)));
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.setSoTimeout(15_000);
            socket.startHandshake();
            Map<String, String> told = describe(socket);
            OutputStream output = socket.getOutputStream();
            Thread writer =
                    new Thread(
                            () -> {
                                try {
                                    output.write(data);
                                } catch (IOException error) {
                                    // Reading fails, too, and says why.
                                }
                            });
            writer.start();
            byte[] reply = socket.getInputStream().readNBytes(data.length);
            writer.join();
            String text = new String(reply, StandardCharsets.UTF_8).stripTrailing();
            told.put("reply", Arrays.equals(reply, data) ? line : text);
            if (options.containsKey("renegotiate")) {
                if (options.get("renegotiate").equals("eagerly")) {
                    // Only its hello is out behind this, so that what is written next comes right behind it.
                    socket.startHandshake();
                } else {
                    renegotiate(socket);
                }
                output.write(data);
                byte[] again = socket.getInputStream().readNBytes(data.length);
                if (!Arrays.equals(again, data)) {
                    told.put("reply", "something else behind the second handshake");
                }
            }
            socket.shutdownOutput();
            told.put("close", socket.getInputStream().read() < 0 ? "ok" : "data after the reply");
            return told;
        }
    }
}
