package limits

import (
	"reflect"
	"testing"
)

func TestDefaultsCouldBeConfigured(t *testing.T) {
	byDefault, least := reflect.ValueOf(Default()), reflect.ValueOf(Least())
	for i := range byDefault.NumField() {
		name := byDefault.Type().Field(i).Name
		if byDefault.Field(i).IsZero() {
			t.Errorf("%s has no default", name)
		}
		below := byDefault.Field(i).CanInt() && byDefault.Field(i).Int() < least.Field(i).Int()
		if below || byDefault.Field(i).CanFloat() && byDefault.Field(i).Float() <= least.Field(i).Float() {
			t.Errorf("%s is %v by default, below the least of %v", name, byDefault.Field(i), least.Field(i))
		}
	}
}
