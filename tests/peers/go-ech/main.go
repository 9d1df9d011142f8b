// A server and a client of Go's crypto/tls with Encrypted ClientHello (RFC 9849), which Go has from 1.23 on.
// tests/peers/fetch.sh builds it.
//
//	server cert=FILE key=FILE kem=x25519|p256 [curves=LIST]
//	    prints `LIST <base64>`, what clients encrypt for, then `READY <port>`, and an object for each connection,
//	    which it sends back what it reads.
//	client address=HOST:PORT root=FILE name=NAME ech=BASE64 [curves=LIST]
//	    connects once, sends a line, and prints an object when it has it back, or why it has not.
package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	publicName = "other.example"
	line       = "hello from Go\n"
)

type report map[string]any

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func tell(facts report) {
	text, err := json.Marshal(facts)
	check(err)
	fmt.Println(string(text))
}

func main() {
	options := map[string]string{}
	for _, word := range os.Args[2:] {
		name, value, _ := strings.Cut(word, "=")
		options[name] = value
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: curves(options["curves"])}
	if os.Args[1] == "server" {
		serve(config, options)
	} else {
		connect(config, options)
	}
}

func curves(list string) (ids []tls.CurveID) {
	known := map[string]tls.CurveID{"x25519": tls.X25519, "secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384}
	for _, name := range strings.Split(list, ",") {
		if id, ok := known[name]; ok {
			ids = append(ids, id)
		}
	}
	return
}

// A configuration (RFC 9849 section 4) for a new key, and that key.
func newKey(kem string) tls.EncryptedClientHelloKey {
	id, curve := uint16(0x0020), ecdh.X25519()
	if kem == "p256" {
		id, curve = 0x0010, ecdh.P256()
	}
	private, err := curve.GenerateKey(rand.Reader)
	check(err)
	public := private.PublicKey().Bytes()
	contents := []byte{7}
	contents = binary.BigEndian.AppendUint16(contents, id)
	contents = binary.BigEndian.AppendUint16(contents, uint16(len(public)))
	contents = append(contents, public...)
	// HKDF-SHA256 with AES-128-GCM and with ChaCha20Poly1305.
	contents = append(contents, 0, 8, 0, 1, 0, 1, 0, 1, 0, 3)
	contents = append(contents, 64, byte(len(publicName)))
	contents = append(contents, publicName...)
	contents = append(contents, 0, 0)
	config := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(contents)))
	config = append(config, contents...)
	return tls.EncryptedClientHelloKey{Config: config, PrivateKey: private.Bytes(), SendAsRetry: true}
}

func serve(config *tls.Config, options map[string]string) {
	identity, err := tls.LoadX509KeyPair(options["cert"], options["key"])
	check(err)
	config.Certificates = []tls.Certificate{identity}
	key := newKey(options["kem"])
	config.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{key}
	list := binary.BigEndian.AppendUint16(nil, uint16(len(key.Config)))
	list = append(list, key.Config...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("LIST", base64.StdEncoding.EncodeToString(list))
	fmt.Println("READY", listener.Addr().(*net.TCPAddr).Port)
	for {
		transport, err := listener.Accept()
		check(err)
		transport.SetDeadline(time.Now().Add(20 * time.Second))
		connection := tls.Server(transport, config)
		if err := connection.Handshake(); err != nil {
			tell(report{"error": err.Error()})
			transport.Close()
			continue
		}
		tell(facts(connection))
		io.Copy(connection, connection)
		connection.Close()
	}
}

func connect(config *tls.Config, options map[string]string) {
	roots, err := os.ReadFile(options["root"])
	check(err)
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AppendCertsFromPEM(roots)
	config.ServerName = options["name"]
	config.EncryptedClientHelloConfigList, err = base64.StdEncoding.DecodeString(options["ech"])
	check(err)
	transport, err := net.Dial("tcp", options["address"])
	check(err)
	transport.SetDeadline(time.Now().Add(20 * time.Second))
	connection := tls.Client(transport, config)
	if err := connection.Handshake(); err != nil {
		var rejected *tls.ECHRejectionError
		if errors.As(err, &rejected) {
			list := base64.StdEncoding.EncodeToString(rejected.RetryConfigList)
			tell(report{"rejected": true, "retry": list})
			return
		}
		tell(report{"error": err.Error()})
		return
	}
	_, err = io.WriteString(connection, line)
	check(err)
	echo := make([]byte, len(line))
	_, err = io.ReadFull(connection, echo)
	check(err)
	told := facts(connection)
	told["echo"] = string(echo)
	tell(told)
	connection.Close()
}

func facts(connection *tls.Conn) report {
	state := connection.ConnectionState()
	return report{"ech": state.ECHAccepted, "name": state.ServerName, "retried": state.HelloRetryRequest}
}
