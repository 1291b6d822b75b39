package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/sqlite"
)

// keyFileName is where a key that was made here is kept, in the data directory.
const keyFileName = "encryption.key"

// encryptionKeys splits and checks the setting; nil for an empty one. No error
// holds a key.
func encryptionKeys(setting waybell.Secret) ([]waybell.Secret, error) {
	if setting == "" {
		return nil, nil
	}
	var keys []waybell.Secret
	for i, text := range strings.Split(setting.Reveal(), ",") {
		text = strings.TrimSpace(text)
		if _, err := keyring.ID(text); err != nil {
			return nil, fmt.Errorf("encryption-key: key %d is not the base64 of %d bytes; make one with: openssl rand -base64 %[2]d", i+1, keyring.KeyBytes)
		}
		keys = append(keys, waybell.Secret(text))
	}
	return keys, nil
}

// loadEncryptionKeys returns the keys of the settings, or those of the file in
// the data directory, which is made with the first data and never again: a key
// that is missing for existing data must stop the start, since a new one would
// leave every stored secret unreadable.
func loadEncryptionKeys(s *settings) (keys []waybell.Secret, made bool, err error) {
	if keys, err = encryptionKeys(waybell.Secret(s.EncryptionKey)); err != nil || keys != nil {
		return keys, false, err
	}
	dir := string(s.DataDir)
	path := filepath.Join(dir, keyFileName)
	if keys, err = readKeyFile(path); !errors.Is(err, fs.ErrNotExist) {
		return keys, false, err
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, false, err
		}
		return nil, false, &exitError{exitUsage, fmt.Errorf("%s holds data, but its encryption key is missing: put %s back, or set encryption-key to the key that was used before",
			dir, path)}
	}
	if err := makeKeyFile(dir); err != nil {
		return nil, false, fmt.Errorf("make an encryption key: %w", err)
	}
	keys, err = readKeyFile(path)
	return keys, true, err
}

// keySetting holds, in a shared store, the id of the key that all nodes have.
const keySetting = "encryption_key"

// keyID tells keys apart and says nothing of them: it stands in front of what
// was sealed with the key, and in errors.
func keyID(key waybell.Secret) string {
	id, _ := keyring.ID(key.Reveal()) // was checked
	return id
}

// agreeOnKey refuses to work beside nodes with another encryption key. On an
// empty database nothing else would tell: each would seal what the others
// cannot open, and then none could start. A node that is alone, and opens all
// that is stored, decides anew.
func (s *server) agreeOnKey(ctx context.Context, keys []waybell.Secret) error {
	kept, err := s.shared.KeepSetting(ctx, keySetting, []byte(keyID(keys[0])))
	if err != nil {
		return fmt.Errorf("compare encryption keys: %w", err)
	}
	for _, key := range keys {
		if keyID(key) == string(kept) {
			return nil
		}
	}
	nodes, err := s.svc.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("compare encryption keys: %w", err)
	}
	for _, n := range nodes {
		if !n.This && !n.Dead {
			return usageErrorf("encryption-key: node %q and others work with the key %s, this one has %s: give all nodes the same",
				n.Name, kept, keyID(keys[0]))
		}
	}
	return s.shared.PutSetting(ctx, keySetting, []byte(keyID(keys[0])))
}

func readKeyFile(path string) ([]waybell.Secret, error) {
	text, err := readSecretFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := encryptionKeys(waybell.Secret(text))
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s is damaged: %w", path, err)}
	}
	return keys, nil
}

// makeKeyFile writes a fresh key. It is whole and durable, with the folder's
// entry, before anything is encrypted with it; of two processes that start at
// once both use the one that was first.
func makeKeyFile(dir string) error {
	f, err := os.CreateTemp(dir, keyFileName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(keyring.Generate() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	path := filepath.Join(dir, keyFileName)
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without hard links: a crash here leaves a damaged file,
		// which stops the next start, and no data.
		if err := copyFile(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return syncDirectory(dir)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDataDir makes the data directory, open to its owner only, and sees to it
// that it can be written. It is durable with every folder above it that was made
// too: a power cut must not take away the path to what is synced in it.
func makeDataDir(dir string) error {
	dir = filepath.Clean(dir)
	above := []string{filepath.Dir(dir)} // an earlier start may have ended before it synced this one
	for d := above[0]; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		above = append(above, filepath.Dir(d))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: choose another with --data-dir, or make it and let this user own it", err)
		}
		return fmt.Errorf("data directory: %w", err)
	}
	for _, d := range above {
		if err := syncDirectory(d); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	probe, err := os.CreateTemp(dir, ".probe.*")
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
