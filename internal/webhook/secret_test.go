package webhook_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/webhook"
)

// The example of the specification, which its libraries test themselves with: github.com/standard-webhooks/standard-webhooks.
func TestTheSignatureIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSecretsHaveTheFormOfTheStandard(t *testing.T) {
	t.Parallel()
	made := webhook.NewSecret()
	if again, err := webhook.ParseSecret(webhook.FormatSecret(made)); err != nil || string(again) != string(made) || len(made) != 32 {
		t.Errorf("%d bytes, %v", len(made), err)
	}
	if string(webhook.NewSecret()) == string(made) {
		t.Error("two secrets are equal")
	}
	of := func(bytes int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", bytes))) }
	for text, right := range map[string]bool{
		"whsec_" + of(24): true, "whsec_" + of(64): true, "whsec_" + of(23): false, "whsec_" + of(65): false, of(32): false, "whsec_": false, "": false,
		"whsec_" + of(32) + "!": false, "whpk_" + of(32): false,
	} {
		secret, err := webhook.ParseSecret(text)
		if right != (err == nil) || err != nil && scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (len(secret) > 0 || len(text) > 10 && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: the refusal has it: %v", text, err)
		}
	}
}
