"""The ``rules`` section of the configuration: one entry per section that a rule declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import create_model

from cv_engine.rules import registry
from cv_engine.rules.rule import Rule, RuleSettings
from cv_engine.section import Section


class RulesConfig(Section):
    """One entry per violation rule; the keys come from the registry of rules."""

    def of(self, rule: type[Rule]) -> RuleSettings:
        """The settings of a rule."""
        settings = getattr(self, rule.section)
        assert isinstance(settings, RuleSettings)
        return settings

    def sections(self) -> dict[str, RuleSettings]:
        """The settings of the rules, by section."""
        return {section: getattr(self, section) for section in registry.sections()}

    def updated(self, changes: dict[str, dict[str, Any]]) -> RulesConfig:
        """The same with some settings changed, by section and key."""
        sections = {
            section: getattr(self, section).model_copy(update=values)
            for section, values in changes.items()
        }
        return self.model_copy(update=sections)


def _model() -> type[RulesConfig]:
    """The model of the section, with a field for each section that a rule declares."""
    fields: dict[str, Any] = {
        section: (settings, settings.model_validate({}))
        for section, settings in registry.sections().items()
    }
    model = create_model("RulesModel", __base__=RulesConfig, __module__=__name__, **fields)
    model.__doc__ = RulesConfig.__doc__
    return model


if TYPE_CHECKING:
    RulesModel = RulesConfig
else:
    RulesModel = _model()
