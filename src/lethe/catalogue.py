"""The one table of every system and part, by name: lethe's own and those of any installed package."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from lethe.errors import ConfigurationError, nearest


@dataclass(frozen=True)
class Entry:
    """One system or part.

    Attributes:
        slug: its name on the command line.
        path: `package.module:Class`.
        row: number of the published system it implements; None for baselines and parts.
        package: the distribution that brings it.
    """

    slug: str
    path: str
    row: int | None = None
    package: str = "lethe"

    def load(self) -> type[Any]:
        """Import and return the class; raises ConfigurationError where another package's entry point is broken."""
        module, _, name = self.path.partition(":")
        try:
            loaded: type[Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"'{self.slug}' of package '{self.package}' cannot be loaded from {self.path} ({error}); "
                "update or uninstall that package"
            ) from None
        return loaded


_BASELINES = "lethe.methods.baselines"
_DESCENT = "lethe.methods.descent"
_EDITS = "lethe.methods.edits"
_EXACT = "lethe.methods.exact"
_AUDITS = "lethe.auditing.metrics"

METHODS: tuple[Entry, ...] = (
    Entry("retrain", f"{_BASELINES}.retrain:Retrain"),
    Entry("finetune", f"{_BASELINES}.finetune:FineTune"),
    Entry("gradient_ascent", f"{_BASELINES}.gradient_ascent:GradientAscent"),
    Entry("neg_grad_plus", f"{_BASELINES}.gradient_ascent:NegGradPlus"),
    Entry("random_labels", f"{_BASELINES}.random_labels:RandomLabels"),
    Entry("bad_teacher", f"{_BASELINES}.bad_teacher:BadTeacher"),
    Entry("scrub", f"{_BASELINES}.scrub:Scrub"),
    Entry("catastrophic_forgetting_k", f"{_BASELINES}.last_layers:CatastrophicForgettingK"),
    Entry("exact_unlearning_k", f"{_BASELINES}.last_layers:ExactUnlearningK"),
    Entry("sisa", f"{_EXACT}.sisa:Sisa"),
    Entry("s3t", f"{_EXACT}.s3t:S3T", row=43),
    Entry("acu", f"{_EXACT}.acu:ACU", row=77),
    Entry("soup", f"{_EXACT}.soup:Soup", row=97),
    Entry("noisy_gd", f"{_EXACT}.noisy_gd:NoisyGD", row=75),
    Entry("safe", "lethe.methods.streaming.safe:Safe", row=42),
    Entry("uer", "lethe.methods.streaming.uer:UER", row=73),
    Entry("blindspot", f"{_DESCENT}.blindspot:Blindspot", row=10),
    Entry("gaussian_amnesiac", f"{_DESCENT}.gaussian_amnesiac:GaussianAmnesiac", row=10),
    Entry("duck", f"{_DESCENT}.duck:Duck", row=6),
    Entry("opc", f"{_DESCENT}.opc:OPC", row=17),
    Entry("scar", f"{_DESCENT}.scar:Scar", row=36),
    Entry("scar_self", f"{_DESCENT}.scar_self:ScarSelf", row=36),
    Entry("datamodel_matching", f"{_DESCENT}.datamodel_matching:DatamodelMatching", row=9),
    Entry("oracle_matching", f"{_DESCENT}.datamodel_matching:OracleMatching", row=9),
    Entry("loreun", f"{_DESCENT}.loreun:LoReUn", row=38),
    Entry("laf", f"{_DESCENT}.laf:LAF", row=21),
    Entry("miu", f"{_DESCENT}.miu:MIU", row=26),
    Entry("stochastic_teacher", f"{_DESCENT}.stochastic_teacher:StochasticTeacher", row=59),
    Entry("l1_sparse", f"{_DESCENT}.l1_sparse:L1Sparse", row=51),
    Entry("salun", f"{_DESCENT}.salun:SalUn", row=70),
    Entry("ssd", f"{_EDITS}.ssd:SSD", row=54),
    Entry("slug", f"{_EDITS}.slug:SLUG", row=7),
    Entry("task_arithmetic", f"{_EDITS}.negmerge:TaskArithmetic"),
    Entry("negmerge", f"{_EDITS}.negmerge:NegMerge", row=12),
    Entry("influence", f"{_EDITS}.influence:InfluenceUnlearning"),
    Entry("lcodec", f"{_EDITS}.lcodec:LCodec", row=24),
    Entry("iau", f"{_EDITS}.iau:IAU", row=49),
    Entry("fisher_forgetting", f"{_EDITS}.fisher_forgetting:FisherForgetting"),
    Entry("prune_then_unlearn", f"{_EDITS}.prune_then_unlearn:PruneThenUnlearn", row=51),
    Entry("concept_poisoning", f"{_DESCENT}.concepts.poisoning:ConceptPoisoning", row=15),
    Entry("concept_masking", f"{_DESCENT}.concepts.masking:ConceptMasking", row=15),
    Entry("meta_unlearn", f"{_DESCENT}.meta_unlearn:MetaUnlearn", row=32),
    Entry("boundary_shrink", f"{_DESCENT}.boundary:BoundaryShrink", row=46),
    Entry("boundary_expanding", f"{_DESCENT}.boundary:BoundaryExpanding", row=46),
    Entry("npo", f"{_DESCENT}.npo:NPO", row=72),
    Entry("whp", f"{_DESCENT}.whp:WHP", row=58),
    Entry("causal_whp", f"{_DESCENT}.causal_whp:CausalWHP", row=28),
    Entry("relearn", f"{_DESCENT}.relearn:ReLearn", row=88),
    Entry("unstar", f"{_DESCENT}.unstar:UnStar", row=5),
    Entry("grad_diff", f"{_DESCENT}.grad_diff:GradDiff", row=72),
    Entry("idk", f"{_DESCENT}.refusing:IDK", row=72),
    Entry("dpo", f"{_DESCENT}.preference:DPO", row=72),
    Entry("kto", f"{_DESCENT}.preference:KTO", row=72),
    Entry("simnpo", f"{_DESCENT}.simnpo:SimNPO", row=66),
    Entry("wrong_tokens", f"{_DESCENT}.wrong_tokens:WrongTokens", row=65),
    Entry("interleaved_ascent", f"{_DESCENT}.interleaved_ascent:InterleavedAscent", row=65),
    Entry("flat", f"{_DESCENT}.flat:FLAT", row=44),
    Entry("knowledge_unlearning", f"{_DESCENT}.knowledge_unlearning:KnowledgeUnlearning", row=98),
    Entry("wga", f"{_DESCENT}.token_weighted:WGA"),
    Entry("satimp", f"{_DESCENT}.token_weighted:SatImp"),
    Entry("undial", f"{_DESCENT}.self_distillation:UNDIAL"),
    Entry("ceu", f"{_DESCENT}.self_distillation:CEU"),
    Entry("pdu", f"{_DESCENT}.pdu:PDU"),
    Entry("soul", f"{_DESCENT}.soul:SOUL", row=69),
    Entry("smooth", f"{_DESCENT}.smooth:Smooth", row=109),
    Entry("mudman", f"{_DESCENT}.mudman:MUDMAN", row=23),
    Entry("tar", f"{_DESCENT}.tar:TAR", row=23),
    Entry("random_mapping", f"{_DESCENT}.random_mapping:RandomMapping"),
    Entry("rmu", f"{_DESCENT}.rmu:RMU"),
    Entry("loku", f"{_DESCENT}.loku:LoKU", row=86),
    Entry("opt_out", f"{_DESCENT}.opt_out:OptOut", row=57),
    Entry("zjuklab", f"{_DESCENT}.zjuklab:Zjuklab", row=30),
    Entry("wagle", f"{_DESCENT}.wagle:WagleNPO", row=16),
    Entry("memflex", f"{_DESCENT}.memflex:MemFlex", row=47),
    Entry("selective_amnesia", f"{_DESCENT}.selective_amnesia:SelectiveAmnesia", row=79),
    Entry("uoe", f"{_DESCENT}.uoe:UOE", row=82),
    Entry("needle", f"{_DESCENT}.needle:Needle", row=11),
)

SCOPES: tuple[Entry, ...] = (
    Entry("all", "lethe.scopes:All"),
    Entry("layers", "lethe.scopes:Layers"),
    Entry("last_layers", "lethe.scopes:LastLayers"),
    Entry("saliency", "lethe.scopes:Saliency"),
    Entry("magnitude", "lethe.scopes:Magnitude"),
    Entry("nonzero", "lethe.scopes:NonZero"),
    Entry("random", "lethe.scopes:RandomMask"),
    Entry("lora", "lethe.scopes:LoRA"),
    Entry("blocks", "lethe.scopes:Blocks"),
    Entry("wagle", "lethe.scopes:WAGLE", row=16),
    Entry("memflex", "lethe.scopes:MemFlexRegion", row=47),
    Entry("traced", "lethe.scopes:TracedLayers", row=79),
    Entry("one_expert", "lethe.scopes:OneExpert", row=82),
    Entry("value_vectors", "lethe.scopes:ValueVectors", row=11),
)

STEPS: tuple[Entry, ...] = (
    Entry("plain", "lethe.steps:Plain"),
    Entry("clip", "lethe.steps:Clip"),
    Entry("sam", "lethe.steps:SAM"),
    Entry("primal_dual", "lethe.steps:PrimalDual"),
    Entry("orthogonal", "lethe.steps:Orthogonal"),
    Entry("agreeing", "lethe.steps:Agreeing"),
    Entry("alternating", "lethe.steps:Alternating"),
    Entry("adaptive_retain", "lethe.steps:AdaptiveRetain"),
    Entry("surgery", "lethe.steps:Surgery"),
    Entry("uno", "lethe.steps:UNO"),
    Entry("random_smoothing", "lethe.steps:RandomSmoothing"),
    Entry("gradient_penalty", "lethe.steps:GradientPenalty"),
    Entry("gradient_restriction", "lethe.steps:GradientRestriction", row=49),
    Entry("curvature_regularisation", "lethe.steps:CurvatureRegularisation"),
    Entry("weight_averaging", "lethe.steps:WeightAveraging"),
    Entry("sophia", "lethe.steps:Sophia"),
    Entry("disruption", "lethe.steps:Disruption"),
    Entry("tamper_resistance", "lethe.steps:TamperResistance"),
)

WEIGHTINGS: tuple[Entry, ...] = (
    Entry("uniform", "lethe.weighting:Uniform"),
    Entry("loreun", "lethe.weighting:LossReweighting"),
    Entry("reweight", "lethe.weighting:Reweight", row=26),
)

METRICS: tuple[Entry, ...] = (
    Entry("forget_accuracy", f"{_AUDITS}.accuracy:ForgetAccuracy"),
    Entry("retain_accuracy", f"{_AUDITS}.accuracy:RetainAccuracy"),
    Entry("holdout_accuracy", f"{_AUDITS}.accuracy:HoldoutAccuracy"),
    Entry("forget_loss", f"{_AUDITS}.accuracy:ForgetLoss"),
    Entry("forget_wrong_confidence", f"{_AUDITS}.false_confidence:ForgetWrongConfidence"),
    Entry("retain_loss", f"{_AUDITS}.accuracy:RetainLoss"),
    Entry("holdout_loss", f"{_AUDITS}.accuracy:HoldoutLoss"),
    Entry("kl_to_gold", f"{_AUDITS}.divergence:KLToGold"),
    Entry("js_to_gold", f"{_AUDITS}.divergence:JSToGold"),
    Entry("klom", f"{_AUDITS}.klom:KLoM", row=9),
    Entry("oracle_matching", f"{_AUDITS}.oracle:OracleMatching", row=9),
    Entry("adaptive_unlearning_score", f"{_AUDITS}.aus:AdaptiveUnlearningScore", row=6),
    Entry("forgetting_score", f"{_AUDITS}.nomus:ForgettingScore", row=55),
    Entry("nomus", f"{_AUDITS}.nomus:NoMUS", row=55),
    Entry("tow", f"{_AUDITS}.tug_of_war:TugOfWar", row=32),
    Entry("mia_confidence", f"{_AUDITS}.membership:MIAConfidence"),
    Entry("mia_correctness", f"{_AUDITS}.membership:MIACorrectness"),
    Entry("mia_entropy", f"{_AUDITS}.membership:MIAEntropy"),
    Entry("mia_modified_entropy", f"{_AUDITS}.membership:MIAModifiedEntropy"),
    Entry("mia_probability", f"{_AUDITS}.membership:MIAProbability"),
    Entry("mia_privacy", f"{_AUDITS}.membership:MIAPrivacy"),
    Entry("mia_loss", f"{_AUDITS}.threshold:MIALoss"),
    Entry("mia_entropy_threshold", f"{_AUDITS}.threshold:MIAEntropyThreshold"),
    Entry("relative_test", f"{_AUDITS}.relative:RelativeTest", row=0),
    Entry("relative_text_test", f"{_AUDITS}.relative:RelativeTextTest", row=0),
    Entry("u_lira", f"{_AUDITS}.likelihood_ratio:ULiRA"),
    Entry("rmia", f"{_AUDITS}.rmia:RMIA"),
    Entry("weight_distance", f"{_AUDITS}.distance:WeightDistance"),
    Entry("activation_distance", f"{_AUDITS}.distance:ActivationDistance"),
    Entry("gold_activation_distance", f"{_AUDITS}.distance:GoldActivationDistance"),
    Entry("feature_mapping", f"{_AUDITS}.recovery:FeatureMapping", row=17),
    Entry("head_recovery", f"{_AUDITS}.recovery:HeadRecovery", row=17),
    Entry("forget_probability", f"{_AUDITS}.answers:ForgetProbability"),
    Entry("forget_rouge", f"{_AUDITS}.answers:ForgetRouge"),
    Entry("forget_truth_ratio", f"{_AUDITS}.truth:ForgetTruthRatio"),
    Entry("truth_preference", f"{_AUDITS}.truth:TruthPreference"),
    Entry("forget_wrong_probability", f"{_AUDITS}.false_confidence:ForgetWrongProbability"),
    Entry("forget_quality", f"{_AUDITS}.truth:ForgetQuality"),
    Entry("exact_memorization", f"{_AUDITS}.answers:ExactMemorization"),
    Entry("extraction_strength", f"{_AUDITS}.answers:ExtractionStrength"),
    Entry("retain_probability", f"{_AUDITS}.answers:RetainProbability"),
    Entry("retain_rouge", f"{_AUDITS}.answers:RetainRouge"),
    Entry("retain_truth_ratio", f"{_AUDITS}.truth:RetainTruthRatio"),
    Entry("holdout_probability", f"{_AUDITS}.answers:HoldoutProbability"),
    Entry("model_utility", f"{_AUDITS}.model_utility:ModelUtility"),
    Entry("membership_loss", f"{_AUDITS}.text_membership:MembershipLoss"),
    Entry("membership_zlib", f"{_AUDITS}.text_membership:MembershipZlib"),
    Entry("membership_min_k", f"{_AUDITS}.text_membership:MembershipMinK"),
    Entry("membership_min_k_plus_plus", f"{_AUDITS}.text_membership:MembershipMinKPlusPlus"),
    Entry("membership_reference", f"{_AUDITS}.text_membership:MembershipReference"),
    Entry("forget_error", f"{_AUDITS}.values:ForgetError", row=10),
    Entry("retain_error", f"{_AUDITS}.values:RetainError", row=10),
    Entry("holdout_error", f"{_AUDITS}.values:HoldoutError", row=10),
    Entry("wasserstein_to_gold", f"{_AUDITS}.values:WassersteinToGold", row=10),
    Entry("prediction_gap", f"{_AUDITS}.values:PredictionGap", row=10),
    Entry("mia_error_svm", f"{_AUDITS}.value_membership:MIAErrorSVM", row=10),
    Entry("mia_error_threshold", f"{_AUDITS}.value_membership:MIAErrorThreshold"),
)

ATTACKS: tuple[Entry, ...] = (
    Entry("relearn", "lethe.auditing.attacks.relearn:Relearn"),
    Entry("relearn_text", "lethe.auditing.attacks.relearn:RelearnText"),
    Entry("relearn_values", "lethe.auditing.attacks.relearn_values:RelearnValues", row=10),
    Entry("relearn_few", "lethe.auditing.attacks.relearn_few:RelearnFew", row=8),
    Entry("relearn_lora", "lethe.auditing.attacks.relearn_few:RelearnLora"),
    Entry("relearn_benign", "lethe.auditing.attacks.relearn_benign:RelearnBenign", row=37),
    Entry("quantize", "lethe.auditing.attacks.quantize:Quantize", row=8),
    Entry("prune", "lethe.auditing.attacks.prune:Prune"),
    Entry("weight_noise", "lethe.auditing.attacks.weight_noise:WeightNoise"),
    Entry("logit_lens", "lethe.auditing.attacks.logit_lens:LogitLens", row=8),
    Entry("linear_probe", "lethe.auditing.attacks.linear_probe:LinearProbe", row=8),
    Entry("truth_probe", "lethe.auditing.attacks.truth_probe:TruthProbe", row=29),
    Entry("soft_prompt", "lethe.auditing.attacks.soft_prompt:SoftPrompt"),
    Entry("greedy_coordinate", "lethe.auditing.attacks.greedy_coordinate:GreedyCoordinate"),
    Entry("prefix_extraction", "lethe.auditing.attacks.prefix_extraction:PrefixExtraction"),
    Entry("concept_vectors", "lethe.auditing.attacks.concept_vectors:ConceptVectors", row=11),
    Entry("rephrasing", "lethe.auditing.attacks.rephrasing:Rephrasing", row=37),
    Entry("few_shot", "lethe.auditing.attacks.few_shot:FewShot", row=37),
    Entry("translation", "lethe.auditing.attacks.translation:Translation", row=37),
    Entry("eight_methods", "lethe.auditing.attacks.eight_methods:EightMethods", row=29),
    Entry("true_options", "lethe.auditing.attacks.true_options:TrueOptions", row=29),
    Entry("step_by_step", "lethe.auditing.attacks.step_by_step:StepByStep", row=20),
    Entry("reintroduction", "lethe.auditing.attacks.reintroduction:Reintroduction", row=27),
    Entry("paired_queries", "lethe.auditing.attacks.paired_queries:PairedQueries", row=99),
    Entry("swapped_options", "lethe.auditing.attacks.swapped_options:SwappedOptions", row=99),
    Entry("adversarial_probes", "lethe.auditing.attacks.adversarial_probes:AdversarialProbes", row=56),
    Entry("answer_forms", "lethe.auditing.attacks.answer_forms:AnswerForms", row=2),
    Entry("nearby_queries", "lethe.auditing.attacks.nearby_queries:NearbyQueries", row=101),
    Entry("watermark", "lethe.auditing.attacks.watermark:WatermarkStrength", row=61),
)

ATTRIBUTIONS: tuple[Entry, ...] = (Entry("untrac", "lethe.attribution.untrac:Ascent", row=64),)

BENCHMARKS: tuple[Entry, ...] = (
    Entry("tofu", "lethe.benchmarks.tofu:Tofu", row=18),
    Entry("conceptvectors", "lethe.benchmarks.concept_vectors:ConceptVectors", row=11),
    Entry("waterdrum", "lethe.benchmarks.waterdrum:Waterdrum", row=61),
    Entry("ort", "lethe.benchmarks.ort:Ort", row=2),
    Entry("corrective", "lethe.benchmarks.corrective:Corrective", row=40),
    Entry("mufac", "lethe.benchmarks.mufac:Mufac", row=55),
    Entry("one_shui", "lethe.benchmarks.one_shui:OneShui", row=32),
    Entry("muse", "lethe.benchmarks.muse:Muse", row=0),
    Entry("rwku", "lethe.benchmarks.rwku:Rwku", row=56),
    Entry("knowundo", "lethe.benchmarks.knowundo:KnowUnDo", row=47),
    Entry("pistol", "lethe.benchmarks.pistol:Pistol", row=52),
    Entry("semeval", "lethe.benchmarks.semeval:Semeval", row=30),
    Entry("restor", "lethe.benchmarks.restor:Restor", row=22),
    Entry("wpu", "lethe.benchmarks.wpu:Wpu", row=28),
    Entry("elude", "lethe.benchmarks.elude:Elude", row=57),
)

GUIDES: tuple[Entry, ...] = (
    Entry("removal_or_suppression", "lethe.report.suppression:SuppressionTest", row=8),
    Entry("removal_levels", "lethe.report.levels:RemovalLevels", row=85),
    Entry("request", "lethe.recommend.request:Request", row=96),
    Entry("checklist", "lethe.report.checklist:Checklist", row=102),
    Entry("hardest_set", "lethe.auditing.worst_case:HardestSet", row=14),
    Entry("comparator", "lethe.ui.comparator:Comparator", row=68),
)
"""Surveys, as what their frameworks do here: parts of the report and of `lethe recommend`."""

KINDS: dict[str, tuple[Entry, ...]] = {
    "method": METHODS,
    "scope": SCOPES,
    "step": STEPS,
    "weighting": WEIGHTINGS,
    "metric": METRICS,
    "attack": ATTACKS,
    "benchmark": BENCHMARKS,
    "attribution": ATTRIBUTIONS,
    "guide": GUIDES,
}


@cache
def entries(kind: str) -> dict[str, Entry]:
    """Return all entries of a kind by slug: lethe's own, then those of entry points in the group `lethe.<kind>s`.

    Raises:
        ConfigurationError: another package claims a slug that is taken.
    """
    found = {entry.slug: entry for entry in KINDS[kind]}
    for point in entry_points(group=f"lethe.{kind}s"):
        package = point.dist.name if point.dist else "unknown"
        if point.name in found:
            raise ConfigurationError(
                f"package '{package}' offers the {kind} '{point.name}', but "
                f"'{found[point.name].package}' has one of that name; uninstall one of them"
            )
        found[point.name] = Entry(point.name, point.value, package=package)
    return found


def entry(kind: str, slug: str) -> Entry:
    """Return the entry of that name; raises ConfigurationError naming the nearest where there is none."""
    known = entries(kind)
    if slug not in known:
        raise ConfigurationError(f"unknown {kind} '{slug}'{nearest(slug, known)}")
    return known[slug]


def find(kind: str, slug: str) -> type[Any]:
    """Return the class of that name; raises ConfigurationError naming the nearest where there is none."""
    return entry(kind, slug).load()


def describe(kind: str, slug: str) -> dict[str, Any]:
    """Return what is known of an entry as plain data: what it does, needs and takes, and its source."""
    found = entry(kind, slug)
    loaded = found.load()
    text = inspect.getdoc(loaded) or ""
    facts: dict[str, Any] = {
        "slug": slug,
        "row": found.row,
        "title": text.splitlines()[0] if text else "",
        "source": section(text, "Source"),
        "package": found.package,
    }
    if kind == "method":
        facts |= {
            "tasks": [snake(task.__name__) for task in loaded.tasks],
            "acts_on": loaded.acts_on,
            "needs": sorted(loaded.needs),
            "intent": loaded.intent,
            "exactness": loaded.exactness,
            "aims": loaded.aims,
        }
    return facts


def section(docstring: str, title: str) -> str:
    """Return the text of a docstring's section (`Source: …`) on one line, empty where there is none."""
    match = re.search(rf"^{title}:(.*?)(?=\n\s*\n|\Z)", docstring, flags=re.MULTILINE | re.DOTALL)
    return " ".join(match.group(1).split()) if match else ""


def snake(name: str) -> str:
    """Return a class name as a slug.

    >>> snake("HeadRecovery"), snake("CausalLM")
    ('head_recovery', 'causal_lm')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
