package proof

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
)

// detector finds credentials with gitleaks' own rules. Its list of paths never
// looked at is left out, and neither a file nor a comment of the product can
// allow anything. Loading takes a tenth of a second, so it happens once.
var detector = sync.OnceValues(func() (*detect.Detector, error) {
	v := viper.New()
	v.SetConfigType("toml")
	if err := v.ReadConfig(strings.NewReader(config.DefaultConfig)); err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	var rules config.ViperConfig
	if err := v.Unmarshal(&rules); err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	cfg, err := rules.Translate()
	if err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	for i, a := range cfg.Allowlists {
		cfg.Allowlists[i] = &config.Allowlist{
			Description: a.Description, MatchCondition: a.MatchCondition, RegexTarget: a.RegexTarget, Regexes: a.Regexes, StopWords: a.StopWords,
		}
	}
	d := detect.NewDetector(cfg)
	d.IgnoreGitleaksAllow = true
	return d, nil
})

// findSecrets returns what looks like a credential in a file.
func findSecrets(name, text string) ([]report.Finding, error) {
	d, err := detector()
	if err != nil {
		return nil, err
	}
	return d.Detect(detect.Fragment{Raw: text, FilePath: name}), nil //nolint:staticcheck // Detect takes no other type
}

// maskSecrets replaces what looks like a credential. Text in which nothing can
// be looked for is left out whole.
func maskSecrets(text string) string {
	found, err := findSecrets("", text)
	if err != nil {
		return "left out: " + err.Error()
	}
	var secrets []string
	for _, f := range found {
		if f.Secret != "" {
			secrets = append(secrets, f.Secret)
		}
	}
	// The longest first, so that no part of it remains.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}
