// A server over Go's crypto/tls that shows an OCSP response and signed certificate timestamps.
// Arguments: chain, key, response, and the timestamps in hexadecimal digits, separated by commas.
//
// It prints `READY <port>`, then serves whoever comes. With an address behind these it is a client that shows them
// there, if it is asked, and reads until the server closes.
package main

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
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
	if len(os.Args) > 5 {
		// Whom it speaks with is not what is tried here.
		config := &tls.Config{Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true}
		connection, err := tls.Dial("tcp", os.Args[5], config)
		check(err)
		said, err := io.ReadAll(connection)
		check(err)
		fmt.Printf("%s", said)
		return
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
