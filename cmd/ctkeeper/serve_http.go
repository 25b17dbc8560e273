package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pageServer is the HTTP server on its socket.
type pageServer struct{ http.Server }

func isUnix(listen string) bool { return strings.HasPrefix(listen, "unix:") }

// server opens the socket before anything else begins, so that a taken port is an error at once.
func (a *app) server(c serveConfig, source *serveSource) (*pageServer, net.Listener, error) {
	handler, err := a.handler(c, source)
	if err != nil {
		return nil, nil, err
	}
	s := &pageServer{http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10}}
	l, err := listenOn(c.Listen)
	if err != nil {
		return nil, nil, err
	}
	if c.TLS.Certificate != "" {
		conf, err := tlsConfig(c.TLS)
		if err != nil {
			return nil, nil, errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, conf)
	}
	return s, l, nil
}

// listenOn opens a port, or a socket that its owner and group may use; a socket left behind is replaced.
func listenOn(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return net.Listen("tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if c, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: another is listening", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}

func tlsConfig(c serveTLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.ClientCA != "" {
		pem, err := os.ReadFile(c.ClientCA)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", c.ClientCA)
		}
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return conf, nil
}

func (s *pageServer) serve(l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// close lets answers under way end; streams are cut.
func (s *pageServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return s.Close()
	}
	return nil
}

// readToken reads the secret; a file that others may read is no secret.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: others may read it (mode %04o)", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if len(token) < 16 {
		return "", fmt.Errorf("%s: a token has at least 16 characters", path)
	}
	return token, nil
}

// redactKey is the host's own secret, made once.
func redactKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "redact.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if key, err = redactKeyNew(); err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, key, 0o600)
}

func redactKeyNew() ([]byte, error) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return key, err
}
