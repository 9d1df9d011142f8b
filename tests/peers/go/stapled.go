// A server over Go's crypto/tls that shows an OCSP response and signed certificate timestamps.
// Arguments: chain, key, response, and the timestamps in hexadecimal digits, separated by commas.
//
// It prints `READY <port>`, then serves whoever comes.
package main

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	check(err)
	certificate.OCSPStaple, err = os.ReadFile(os.Args[3])
	check(err)
	for _, digits := range strings.Split(os.Args[4], ",") {
		timestamp, err := hex.DecodeString(digits)
		check(err)
		certificate.SignedCertificateTimestamps = append(certificate.SignedCertificateTimestamps, timestamp)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("READY", listener.Addr().(*net.TCPAddr).Port)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for {
		transport, err := listener.Accept()
		check(err)
		go func() {
			connection := tls.Server(transport, config)
			if connection.Handshake() == nil {
				connection.Write([]byte("hi\n"))
			}
			connection.Close()
		}()
	}
}
