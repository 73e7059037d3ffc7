package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"unicode"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/settings"
)

// Bounds of the key of the metrics: a short one can be guessed, a long one is another file.
const (
	leastMetricsKey = 16
	mostMetricsKey  = 4 << 10
)

// startMetrics listens at the addresses of metrics.addr, as startHTTP does at those of http.addr.
func (d *daemon) startMetrics(ctx context.Context) error {
	s := d.options.Settings.Metrics
	for _, address := range s.Addresses() {
		bound, err := listenForMetrics(ctx, address, s.KeyFile)
		if err != nil {
			if !d.goesOn() {
				return errors.Join(err, closeAll(d.scrapes), closeAll(d.ports))
			}
			d.scrapes = append(d.scrapes, port{address: address, err: err})
			d.log.Warn(eventNotListening, slog.String("address", address), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyReason, scout.Plain(err)))
			continue
		}
		d.scrapes = append(d.scrapes, bound...)
	}
	return nil
}

// listenForMetrics listens at one address. A key that cannot be used is found now, and not by whoever misses the metrics.
func listenForMetrics(ctx context.Context, address, keyFile string) ([]port, error) {
	if keyFile == "" && settings.FromOutside(address) {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "metrics.addr %s is reached by other machines, and there is no metrics.key_file", address).
			WithHint("write a key into a file: openssl rand -hex 16 > FILE; then: scout settings set metrics.key_file FILE. Or use 127.0.0.1:9268")
	}
	if keyFile != "" {
		if _, err := readMetricsKey(keyFile); err != nil {
			return nil, err
		}
	}
	bound, err := bindBoth(ctx, address)
	if scout.CodeOf(err) == scout.CodeAddressTaken {
		err = scout.Errorf(scout.CodeAddressTaken, "metrics.addr: %w", err).WithHint("see which program listens there: ss -ltnp; choose another address: scout settings set metrics.addr 127.0.0.1:9269, or off")
	}
	return bound, err
}

// metricsKey is the key of the metrics; empty where none is set.
func (d *daemon) metricsKey() (string, error) {
	file := d.options.Settings.Metrics.KeyFile
	if file == "" {
		return "", nil
	}
	return readMetricsKey(file)
}

// readMetricsKey reads a key.
func readMetricsKey(path string) (string, error) {
	unread := func(err error) (string, error) {
		return "", scout.Errorf(scout.CodeConfigInvalid, "metrics.key_file: %w", scout.FileError(scout.CodeReadFailed, "read "+path, err)).
			WithHint("write a key into it that this user may read: openssl rand -hex 16 > %s", path)
	}
	bad := func(what string) (string, error) {
		return "", scout.Errorf(scout.CodeConfigInvalid, "metrics.key_file: %s %s", path, what).WithHint("write a key into it: openssl rand -hex 16 > %s", path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return unread(err)
	case !info.Mode().IsRegular() || info.Size() > mostMetricsKey:
		return bad("is no file with a key")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return unread(err)
	}
	key := strings.TrimSpace(string(data))
	switch {
	case len(key) < leastMetricsKey:
		return bad("has less than 16 characters")
	case strings.ContainsFunc(key, func(c rune) bool { return c > unicode.MaxASCII || !unicode.IsGraphic(c) || c == ' ' }):
		return bad("has more than one word in it")
	}
	return key, nil
}
