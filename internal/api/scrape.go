package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"github.com/scout-speech/scout"
)

// scraperClient is under which the log has whoever reads the metrics at an address of theirs.
const scraperClient = "metrics"

// mayScrape refuses a request for the metrics that has not their key. The keys of Scout open nothing there: the one of the metrics lies where
// others read it.
func (n *Network) mayScrape(c *connection, r *http.Request) error {
	key := ""
	if n.MetricsKey != nil {
		var err error
		if key, err = n.MetricsKey(); err != nil {
			return scout.Errorf(scout.CodeUnavailable, "the key of the metrics cannot be read").WithHint("see the file of the setting metrics.key_file")
		}
	}
	if key == "" {
		return n.refuseKeyless(c, r)
	}
	given, want := sha256.Sum256([]byte(bearer(r))), sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return scout.Errorf(scout.CodeInvalidAPIKey, "this needs the key of the metrics").WithHint("send what the file of the setting metrics.key_file has: Authorization: Bearer KEY")
	}
	return nil
}
