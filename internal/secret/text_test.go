package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/secret"
)

const hidden = "hunter2"

func TestATextShowsNothingHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	text := secret.Text(hidden)
	type settings struct {
		Key     secret.Text
		Pointer *secret.Text
		List    []secret.Text
		Map     map[string]secret.Text
		Any     any
	}
	s := settings{text, &text, []secret.Text{text}, map[string]secret.Text{"a": text}, text}
	outputs := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T %v", "%10s", "%-3.2s", "%!"} {
		outputs["text "+verb] = fmt.Sprintf(verb, text)
		outputs["struct "+verb] = fmt.Sprintf(verb, s)
		outputs["pointer "+verb] = fmt.Sprintf(verb, &s)
	}
	outputs["print"] = fmt.Sprint(text, s, &s)
	outputs["error"] = fmt.Errorf("wrapped %w, %v", errors.New("x"), text).Error()
	for _, newHandler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(newHandler(&b)).With("with", text).Info("message", "text", text, "struct", s, "pointer", &s)
		outputs[fmt.Sprintf("slog %T", newHandler(&b))] = b.String()
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
		out, err := marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		outputs[name] = string(out)
	}
	type document struct{ Key secret.Text }
	out, err := xml.Marshal(document{text})
	if err != nil {
		t.Fatal(err)
	}
	outputs["xml"] = string(out)
	encoded := []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden), hidden[:2]}
	for name, output := range outputs {
		for _, leak := range encoded {
			if strings.Contains(output, leak) {
				t.Errorf("%s leaks: %s", name, output)
			}
		}
	}
	if got := fmt.Sprintf("%s", text); got != secret.Mask {
		t.Errorf("masked as %q", got)
	}
	if text.Reveal() != hidden {
		t.Error("Reveal does not reveal")
	}
}

func TestAnEmptyTextShowsThatItIsEmpty(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(secret.Text(""))
	if err != nil || string(out) != `""` || fmt.Sprint(secret.Text("")) != "" {
		t.Errorf("json %s, %v; print %q", out, err, fmt.Sprint(secret.Text("")))
	}
}

func TestTheMaskDoesNotDependOnTheSecret(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := secret.Text(rapid.StringN(1, -1, -1).Draw(t, "secret"))
		if got := fmt.Sprintf("%v", text); got != secret.Mask {
			t.Fatalf("mask is %q", got)
		}
	})
}

func TestATextIsReadAsItIs(t *testing.T) {
	t.Parallel()
	var s struct{ Key secret.Text }
	if err := json.Unmarshal([]byte(`{"Key":"hunter2"}`), &s); err != nil || s.Key.Reveal() != hidden {
		t.Errorf("json: %q, %v", s.Key.Reveal(), err)
	}
	if err := yaml.Unmarshal([]byte("key: hunter2"), &s); err != nil || s.Key.Reveal() != hidden {
		t.Errorf("yaml: %q, %v", s.Key.Reveal(), err)
	}
}
