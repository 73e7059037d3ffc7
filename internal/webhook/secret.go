package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// The signature of Standard Webhooks 1.0.0: a secret of 24 to 64 bytes, which people see in base64 behind a prefix.
// Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
const (
	secretPrefix   = "whsec_"
	newSecretBytes = 32
	leastSecret    = 24
	mostSecret     = 64

	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// NewSecret returns a secret that nobody has.
func NewSecret() store.Secret {
	secret := make(store.Secret, newSecretBytes)
	_, _ = rand.Read(secret) // it never fails
	return secret
}

// FormatSecret is a secret as people see it.
func FormatSecret(secret store.Secret) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// ParseSecret reads what FormatSecret writes. Its errors do not have the secret in them.
func ParseSecret(text string) (store.Secret, error) {
	coded, found := strings.CutPrefix(text, secretPrefix)
	secret, err := base64.StdEncoding.DecodeString(coded)
	if !found || err != nil || len(secret) < leastSecret || len(secret) > mostSecret {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "the secret is not %s and %d to %d bytes in base64", secretPrefix, leastSecret, mostSecret)
	}
	return secret, nil
}

// Sign returns the value of webhook-signature for a message with this body, sent at that time.
func Sign(secret store.Secret, message string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(message + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
