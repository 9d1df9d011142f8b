// An echo server and its client over Go's crypto/tls. Arguments: see tests/src/peers/scripted.rs.
//
// The server prints `READY <port>`, then a JSON object for each handshake. The client makes as many
// connections as it is told, offering to resume the last, and prints one object for the last of them.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

type report map[string]any

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	options := map[string]string{}
	for _, word := range os.Args[2:] {
		name, value, _ := strings.Cut(word, "=")
		options[name] = value
	}
	config := configuration(options)
	if os.Args[1] == "server" {
		if config.RootCAs != nil {
			config.ClientCAs, config.ClientAuth = config.RootCAs, tls.RequireAndVerifyClientCert
		}
		serve(config)
	} else {
		connect(config, options)
	}
}

func configuration(options map[string]string) *tls.Config {
	versions := map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	version := versions[options["version"]]
	config := &tls.Config{
		MinVersion:         version,
		MaxVersion:         version,
		ServerName:         options["server_name"],
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if options["renegotiate"] != "" {
		config.Renegotiation = tls.RenegotiateFreelyAsClient
	}
	if list := options["alpn"]; list != "" {
		config.NextProtos = strings.Split(list, ",")
	}
	if list := options["suites"]; list != "" && version != tls.VersionTLS13 {
		all := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
		for _, name := range strings.Split(list, ",") {
			for _, suite := range all {
				if suite.Name == name {
					config.CipherSuites = append(config.CipherSuites, suite.ID)
				}
			}
		}
	}
	curves := map[string]tls.CurveID{
		"x25519": tls.X25519, "secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384, "secp521r1": tls.CurveP521,
	}
	if list := options["groups"]; list != "" {
		for _, name := range strings.Split(list, ",") {
			config.CurvePreferences = append(config.CurvePreferences, curves[name])
		}
	}
	if file := options["chain"]; file != "" {
		pair, err := tls.LoadX509KeyPair(file, options["key"])
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if file := options["root"]; file != "" {
		text, err := os.ReadFile(file)
		check(err)
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(text)
	}
	return config
}

func describe(connection *tls.Conn) report {
	state := connection.ConnectionState()
	versions := map[uint16]string{tls.VersionTLS10: "TLSv1.0", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}
	told := report{
		"version": versions[state.Version],
		"suite":   tls.CipherSuiteName(state.CipherSuite),
		"resumed": state.DidResume,
	}
	if state.NegotiatedProtocol != "" {
		told["alpn"] = state.NegotiatedProtocol
	}
	return told
}

func print(told report) {
	text, err := json.Marshal(told)
	check(err)
	fmt.Println(string(text))
}

func serve(config *tls.Config) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("READY", listener.Addr().(*net.TCPAddr).Port)
	for {
		transport, err := listener.Accept()
		check(err)
		go func() {
			connection := tls.Server(transport, config)
			defer connection.Close()
			check(transport.SetDeadline(time.Now().Add(20 * time.Second)))
			if err := connection.Handshake(); err != nil {
				print(report{"error": err.Error()})
				return
			}
			print(describe(connection))
			_, _ = io.Copy(connection, connection)
		}()
	}
}

func connect(config *tls.Config, options map[string]string) {
	connections, err := strconv.Atoi(options["connections"])
	check(err)
	count, err := strconv.Atoi(options["count"])
	check(err)
	data := options["line"] + "\n"
	if count > 1 {
		var lines strings.Builder
		for number := 0; number < count; number++ {
			fmt.Fprintf(&lines, "%s %07d\n", options["line"], number)
		}
		data = lines.String()
	}
	told := report{}
	for ; connections > 0; connections-- {
		told = report{}
		if err := exchange(config, options, []byte(data), told); err != nil {
			told["error"] = err.Error()
			break
		}
	}
	print(told)
	if told["error"] != nil {
		os.Exit(1)
	}
}

func exchange(config *tls.Config, options map[string]string, data []byte, told report) error {
	address := net.JoinHostPort(options["host"], options["port"])
	transport, err := net.DialTimeout("tcp", address, 15*time.Second)
	if err != nil {
		return err
	}
	connection := tls.Client(transport, config)
	defer connection.Close()
	check(transport.SetDeadline(time.Now().Add(15 * time.Second)))
	if err := connection.Handshake(); err != nil {
		return err
	}
	for name, value := range describe(connection) {
		told[name] = value
	}
	written := make(chan error, 1)
	go func() {
		_, err := connection.Write(data)
		written <- err
	}()
	reply := make([]byte, len(data))
	if _, err := io.ReadFull(connection, reply); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return err
	}
	told["reply"] = options["line"]
	if !bytes.Equal(reply, data) {
		told["reply"] = strings.TrimRight(string(reply), "\n")
	}
	if err := connection.CloseWrite(); err != nil {
		return err
	}
	told["close"] = "ok"
	if _, err := connection.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		told["close"] = fmt.Sprint(err)
	}
	return nil
}
