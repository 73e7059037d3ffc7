package sound

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout"
)

func TestFind(t *testing.T) {
	t.Parallel()
	devices := []Device{
		{ID: "alsa_input.usb", Name: "USB Headset"},
		{ID: "alsa_input.pci", Name: "Built-in Audio", Default: true},
		{ID: "usb", Name: "Other"},
	}
	for what, want := range map[string]string{
		"": "alsa_input.pci", "default": "alsa_input.pci", "alsa_input.usb": "alsa_input.usb",
		"USB Headset": "alsa_input.usb", "headset": "alsa_input.usb", "usb": "usb", "BUILT": "alsa_input.pci",
	} {
		if d, err := Find(devices, what); err != nil || d.ID != want {
			t.Errorf("%q: %+v, %v, want %s", what, d, err, want)
		}
	}
	for what, hint := range map[string]string{"nothing": "alsa_input.pci (Built-in Audio)", "alsa": "alsa_input.usb"} {
		_, err := Find(devices, what)
		if scout.CodeOf(err) != scout.CodeDeviceNotFound || !strings.Contains(scout.HintOf(err), hint) {
			t.Errorf("%q: %v, hint %q", what, err, scout.HintOf(err))
		}
	}
	if _, err := Find(nil, ""); scout.CodeOf(err) != scout.CodeNoDevice {
		t.Errorf("no devices: %v", err)
	}
	if _, err := Find(devices[:1], ""); scout.CodeOf(err) != scout.CodeNoDevice {
		t.Errorf("no default: %v", err)
	}
}
