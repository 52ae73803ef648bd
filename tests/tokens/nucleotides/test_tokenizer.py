"""Nucleotides to ids: published vocabularies, files of every kind, padding and bad input."""

from __future__ import annotations

import json
import re
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.tokens import NucleotideTokenizer

MADE = {
    "caduceus": NucleotideTokenizer.caduceus,
    "plantcad": NucleotideTokenizer.plantcad,
    "mrna": NucleotideTokenizer.mrna,
    "benchmark": NucleotideTokenizer.benchmark,
}
SPECIAL = {"<unk>": 0, "<pad>": 1, "<mask>": 2, "<cls>": 3}


def kmer_folder(folder: Path, k: int, *, eos: str | None = None) -> Path:
    """The k-mer layout of Plant DNAMamba, written anew from its description."""
    words = ["".join(word) for word in product("ATCG", repeat=k)]
    tokens = [*SPECIAL, *words, *([] if k == 1 else "ATCG"), "N", "<eos>", "<bos>"]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    named = {f"{role}_token": f"<{role}>" for role in ("unk", "pad", "mask", "cls")}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "EsmTokenizer", "model_max_length": 512, **named})
        if eos is None
        else json.dumps({"eos_token": eos, **named})
    )
    return folder


def longest_first(sequence: str, vocab: list[str]) -> list[int]:
    """Slow reference: a regular expression that tries longer tokens first."""
    words = sorted((t for t in vocab if t.isalpha()), key=len, reverse=True)
    return [vocab.index(found) for found in re.findall("|".join(words), sequence)]


@pytest.mark.parametrize(
    ("name", "given", "ids"),
    [
        ("caduceus", "ACGTNacgtn", [7, 8, 9, 10, 11, 7, 8, 9, 10, 11]),
        ("plantcad", "ACGTNacgt", [3, 4, 5, 6, 2, 3, 4, 5, 6]),
        ("mrna", "ACGUTNu", [7, 8, 9, 10, 10, 11, 10, 1]),
        ("benchmark", "ACGTN", [1, 2, 3, 4, 5]),
    ],
)
def test_published_ids(name: str, given: str, ids: list[int]) -> None:
    tokenizer = MADE[name]()
    assert tokenizer.encode(given).tolist() == ids
    wanted = given.upper().replace("T", "U") if name == "mrna" else given.upper()
    assert tokenizer.decode(ids) == wanted


def test_published_special_tokens() -> None:
    caduceus, plantcad = NucleotideTokenizer.caduceus(), NucleotideTokenizer.plantcad()
    assert (caduceus.sep_id, caduceus.bos_id, caduceus.mask_id) == (1, 2, 3)
    assert (caduceus.pad_id, caduceus.unk_id, caduceus.vocab_size) == (4, 6, 16)
    assert (plantcad.pad_id, plantcad.mask_id, plantcad.unk_id) == (0, 1, 2)
    assert (plantcad.vocab_size, plantcad.sep_id, plantcad.bos_id) == (8, None, None)
    assert caduceus.nucleotide_ids == {"A": 7, "C": 8, "G": 9, "T": 10, "N": 11}
    assert plantcad.nucleotide_ids == {"A": 3, "C": 4, "G": 5, "T": 6, "N": 2}
    assert NucleotideTokenizer.benchmark().pad_id == 0
    assert NucleotideTokenizer.benchmark("RNA").encode("ACGTU").tolist() == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("name", MADE)
def test_the_complement_is_its_own_inverse(name: str) -> None:
    tokenizer = MADE[name]()
    complement = tokenizer.complement
    np.testing.assert_array_equal(complement[complement], np.arange(tokenizer.vocab_size))
    ids = tokenizer.encode("AACGNT", special=False)
    wanted = "UUGCNA" if tokenizer.alphabet == "RNA" else "TTGCNA"
    assert tokenizer.decode(complement[ids]) == wanted


def test_caduceus_takes_sep_when_asked() -> None:
    tokenizer = NucleotideTokenizer.caduceus()
    assert tokenizer.encode("AC", special=True).tolist() == [7, 8, 1]
    assert NucleotideTokenizer.mrna().encode("AC", special=False).tolist() == [7, 8]
    assert tokenizer.decode([2, 7, 3, 8, 6, 1, 4]) == "ACN"


def test_padding_left_and_right() -> None:
    left = NucleotideTokenizer.mrna().batch(["ACGU", "GU"])
    assert left.input_ids.tolist() == [[7, 8, 9, 10, 1], [4, 4, 9, 10, 1]]
    assert left.padding_mask.tolist() == [[False] * 5, [True, True, False, False, False]]
    assert left.special_mask.tolist() == [[False] * 4 + [True], [True, True, False, False, True]]
    assert left.spans[1].tolist() == [[-1, -1], [-1, -1], [0, 1], [1, 2], [-1, -1]]
    right = NucleotideTokenizer.plantcad().batch(["ACG", "T"])
    assert right.input_ids.tolist() == [[3, 4, 5], [6, 0, 0]]
    assert right.padding_mask[1].tolist() == right.special_mask[1].tolist() == [False, True, True]
    assert len(right.to("cpu")) == 2


@pytest.mark.parametrize(("truncation", "kept"), [("right", "AC"), ("left", "GU")])
def test_truncation_keeps_special_tokens_and_says_what_was_kept(truncation: str, kept: str) -> None:
    tokenizer = NucleotideTokenizer.mrna()
    batch = tokenizer.batch(["ACAGU", "GU"], max_length=3, truncation=truncation)
    assert batch.input_ids.tolist() == [
        tokenizer.encode(kept).tolist(),
        tokenizer.encode("GU").tolist(),
    ]
    start = 0 if truncation == "right" else 3
    assert batch.spans[0].tolist() == [[start, start + 1], [start + 1, start + 2], [-1, -1]]


def test_too_long_is_an_error() -> None:
    tokenizer = NucleotideTokenizer.caduceus(max_length=4)
    assert tokenizer.batch(["ACGT"]).input_ids.shape == (1, 4)
    assert tokenizer.batch(["ACGTA"], max_length=5).input_ids.shape == (1, 5)
    with pytest.raises(ScmambaError, match="sequence 1 has 5 tokens and max_length=4; .*truncatio"):
        tokenizer.batch(["A", "ACGTA"])
    with pytest.raises(ScmambaError, match="sequence 0 has 5 tokens"):
        tokenizer.batch(["ACGT"], special=True)
    with pytest.raises(ScmambaError, match="truncation='middle'; allowed: 'error', 'right'"):
        tokenizer.batch(["ACGT"], truncation="middle")
    with pytest.raises(ScmambaError, match="max_length=1"):
        NucleotideTokenizer.mrna().batch(["ACGT"], max_length=1, truncation="left")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "is empty"),
        ("ACRGT", "holds 'R' at position 3 of 5; allowed: A, C, G, T, N, in either case"),
        ("ACGu", "holds 'u' at position 4 of 4, but this model reads DNA"),
        ("AC\n", r"holds '\\n' at position 3 of 3"),
        ("AßC", "holds 'ß' at position 2 of 3"),
        ("AC-T", "holds '-' at position 3"),
        (b"ACGT", "is a bytes; give a string"),
        (None, "is a NoneType"),
    ],
)
def test_bad_characters_are_named_with_their_position(given: object, message: str) -> None:
    tokenizer = NucleotideTokenizer.caduceus()
    with pytest.raises(ScmambaError, match="the sequence " + message):
        tokenizer.encode(given)  # type: ignore[arg-type]
    with pytest.raises(ScmambaError, match="sequence 1 " + message):
        tokenizer.batch(["A", given])  # type: ignore[list-item]


def test_a_batch_is_a_list() -> None:
    for wrong in ("ACGT", []):
        with pytest.raises(ScmambaError, match="give a list of at least one sequence"):
            NucleotideTokenizer.caduceus().batch(wrong)


def test_ids_without_a_token() -> None:
    with pytest.raises(ScmambaError, match="id 13 has no token; this tokenizer has 16 ids"):
        NucleotideTokenizer.caduceus().decode([7, 13])
    with pytest.raises(ScmambaError, match="id 99"):
        NucleotideTokenizer.caduceus().decode([99])


def test_golden_bpe(golden: Path) -> None:
    pytest.importorskip("tokenizers")
    folder = golden / "plant_dnamamba_tiny"
    tokenizer = NucleotideTokenizer.from_folder(folder)
    expected = np.load(folder / "expected.npz")
    sequences = [str(s) for s in expected["sequences"]]
    np.testing.assert_array_equal(tokenizer.encode(sequences[0]), expected["token_ids_0"])
    batch = tokenizer.batch(sequences)
    n = expected["input_ids"].shape[1]
    np.testing.assert_array_equal(batch.input_ids[:, :n], expected["input_ids"])
    assert (tokenizer.pad_id, tokenizer.mask_id, tokenizer.unk_id) == (3, 4, 0)
    assert (tokenizer.complement, tokenizer.nucleotide_ids) == (None, {})
    for sequence, spans, padded in zip(sequences, batch.spans, batch.padding_mask, strict=True):
        pieces = [sequence[a:b] for a, b in spans[~padded].tolist()]
        assert "".join(pieces) == sequence
        assert pieces == [tokenizer.layout.tokens[i] for i in tokenizer.encode(sequence)]
    assert tokenizer.decode(tokenizer.encode("acgtNNacgt")) == "ACGTNNACGT"


def test_a_library_file_that_truncates_pads_and_adds_special_tokens(
    golden: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tokenizers")
    source = golden / "plant_dnamamba_tiny"
    content = json.loads((source / "tokenizer.json").read_text())
    content["truncation"] = {
        "direction": "Right",
        "max_length": 3,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    content["padding"] = {
        "strategy": {"Fixed": 64},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 3,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    ends = {
        name: {"id": name, "ids": [i], "tokens": [name]} for name, i in (("<s>", 1), ("</s>", 2))
    }
    content["post_processor"]["special_tokens"] = ends
    content["post_processor"]["single"] = [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    shutil.copy(source / "tokenizer_config.json", tmp_path)
    tokenizer, plain = (NucleotideTokenizer.from_folder(f) for f in (tmp_path, source))
    sequence = "ACGTTTGACCAGT" * 3
    assert tokenizer.encode(sequence).tolist() == [1, *plain.encode(sequence), 2]
    batch = tokenizer.batch([sequence])
    assert batch.special_mask[0].nonzero().flatten().tolist() == [0, batch.input_ids.shape[1] - 1]
    again = tmp_path / "saved.json"
    tokenizer.to_json(again)
    assert NucleotideTokenizer.from_json(again) == tokenizer


def test_a_library_file_that_drops_letters(golden: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    content = json.loads((golden / "plant_dnamamba_tiny" / "tokenizer.json").read_text())
    content["model"]["unk_token"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = NucleotideTokenizer.from_folder(tmp_path)
    assert len(tokenizer.encode("ACGT"))
    for given in ("ACNGT", "NAC", "ACN", "N"):
        with pytest.raises(ScmambaError, match="skips a part of the sequence"):
            tokenizer.encode(given)


def test_characters_in_tokenizer_json_need_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    vocab = {"[PAD]": 0, "[MASK]": 1, "[UNK]": 2, "a": 3, "c": 4, "g": 5, "t": 6}
    model = {"type": "BPE", "vocab": vocab, "merges": [], "unk_token": "[UNK]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model, "post_processor": None}))
    names = {f"{role}_token": {"content": f"[{role.upper()}]"} for role in ("pad", "mask", "unk")}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(names))
    tokenizer, made = NucleotideTokenizer.from_folder(tmp_path), NucleotideTokenizer.plantcad()
    assert (tokenizer.pad_id, tokenizer.mask_id, tokenizer.unk_id) == (0, 1, 2)
    assert tokenizer.encode("ACGTN").tolist() == made.encode("ACGTN").tolist()
    model["merges"] = [["a", "c"]]
    vocab["ac"] = 7
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model, "post_processor": None}))
    with pytest.raises(ScmambaError, match=r"tokenizers, which is not installed; pip install"):
        NucleotideTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_kmers_against_a_regular_expression(tmp_path: Path, k: int) -> None:
    tokenizer = NucleotideTokenizer.from_folder(kmer_folder(tmp_path, k))
    vocab = (tmp_path / "vocab.txt").read_text().split()
    assert tokenizer.vocab_size == len(vocab) == 4 + 4**k + (5 if k > 1 else 1) + 2
    rng = np.random.default_rng(k)
    for length in (1, 2, k, 5 * k + 1, 200):
        sequence = "".join(rng.choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04]))
        ids = tokenizer.encode(sequence.lower())
        assert ids.tolist() == [3, *longest_first(sequence, vocab)]  # <cls> in front
        assert tokenizer.decode(ids) == sequence
        batch = tokenizer.batch([sequence])
        spans = batch.spans[0][~batch.special_mask[0]].tolist()
        assert [sequence[a:b] for a, b in spans] == [vocab[i] for i in ids[1:]]
    assert (tokenizer.pad_id, tokenizer.mask_id, tokenizer.bos_id) == (1, 2, 3)
    assert tokenizer.max_length == 512
    assert bool(tokenizer.nucleotide_ids) == (k == 1)


@pytest.mark.parametrize("k", [1, 3])
def test_kmers_as_esm_tokenizer_of_transformers(tmp_path: Path, k: int) -> None:
    transformers = pytest.importorskip("transformers")
    folder = kmer_folder(tmp_path, k)
    theirs = transformers.EsmTokenizer(str(folder / "vocab.txt"), cls_token="<cls>", eos_token=None)
    ours = NucleotideTokenizer.from_folder(folder)
    for sequence in ("ACGTACGTT", "ACNGTACGT", "NNACG", "AC", "A"):
        assert ours.encode(sequence).tolist() == theirs(sequence)["input_ids"]


def test_kmers_with_an_end_token(tmp_path: Path) -> None:
    tokenizer = NucleotideTokenizer.from_folder(kmer_folder(tmp_path, 2, eos="<eos>"))
    assert tokenizer.sep_id == tokenizer.vocab_size - 2
    assert tokenizer.encode("AT").tolist() == [3, 5, tokenizer.sep_id]


@pytest.mark.parametrize("name", ["caduceus_ph_tiny", "caduceus_ps_tiny", "plantcad2_tiny"])
def test_golden_layouts_without_a_file(golden: Path, name: str) -> None:
    tokenizer = NucleotideTokenizer.from_folder(golden / name)
    config = json.loads((golden / name / "config.json").read_text())
    pairs = [config["complement_map"][str(i)] for i in range(config["vocab_size"])]
    assert tokenizer.complement.tolist() == pairs


def test_golden_mrna(golden: Path) -> None:
    tokenizer = NucleotideTokenizer.from_folder(golden / "mamba2_mrna_tiny")
    assert tokenizer == NucleotideTokenizer.mrna()
    ids = np.load(golden / "mamba2_mrna_tiny" / "expected.npz")["input_ids"]
    batch = tokenizer.batch([tokenizer.decode(row) for row in ids])
    np.testing.assert_array_equal(batch.input_ids, ids)


def caduceus_folder(folder: Path, **changes: object) -> Path:
    names = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", None, "[UNK]")
    content = {
        "added_tokens_decoder": {str(i): {"content": n} for i, n in enumerate(names) if n},
        "model_max_length": 1024,
        "padding_side": "left",
        "tokenizer_class": "CaduceusTokenizer",
        **changes,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    (folder / "config.json").write_text(json.dumps({"vocab_size": 16}))
    return folder


def test_the_published_caduceus_files(tmp_path: Path) -> None:
    tokenizer = NucleotideTokenizer.from_folder(caduceus_folder(tmp_path))
    assert tokenizer == NucleotideTokenizer.caduceus(max_length=1024)


def test_other_ids_than_the_code_gives(tmp_path: Path) -> None:
    caduceus_folder(tmp_path, added_tokens_decoder={"4": {"content": "[MASK]"}})
    with pytest.raises(ScmambaError, match=r"says \{'4': '\[MASK\]'\}, which are not the ids"):
        NucleotideTokenizer.from_folder(tmp_path)


def test_unknown_tokenizers(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="holds no tokenizer file .*complement_map"):
        NucleotideTokenizer.from_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"complement_map": {"0": 1, "1": 0}}')
    with pytest.raises(ScmambaError, match="matches no known vocabulary"):
        NucleotideTokenizer.from_folder(tmp_path)
    caduceus_folder(tmp_path, tokenizer_class="LlamaTokenizer")
    with pytest.raises(ScmambaError, match="tokenizer_class='LlamaTokenizer', whose code is not r"):
        NucleotideTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_text("A\nC\n")
    with pytest.raises(ScmambaError, match="with vocab.txt, allowed: EsmTokenizer"):
        NucleotideTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(ScmambaError, match="tokenizer_config.json is not JSON"):
        NucleotideTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("A C G", "no token for T, N and no unknown token"),
        ("A C G T A", "each token once; A occur more often"),
    ],
)
def test_vocabularies_that_are_too_small_or_repeat(
    tmp_path: Path, tokens: str, message: str
) -> None:
    (tmp_path / "vocab.txt").write_text(tokens.replace(" ", "\n"))
    with pytest.raises(ScmambaError, match=message):
        NucleotideTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("name", MADE)
def test_saved_and_read_again(tmp_path: Path, name: str) -> None:
    tokenizer = MADE[name]()
    tokenizer.to_json(tmp_path / "tokenizer.json")
    again = NucleotideTokenizer.from_json(tmp_path / "tokenizer.json")
    assert again == tokenizer and hash(again) == hash(tokenizer)
    assert again.encode("ACGTN").tolist() == tokenizer.encode("ACGTN").tolist()
    (tmp_path / "tokenizer.json").write_text('{"kind": "characters"}')
    with pytest.raises(ScmambaError, match="a saved tokenizer has the entries"):
        NucleotideTokenizer.from_json(tmp_path / "tokenizer.json")
    with pytest.raises(ScmambaError, match="there is no file"):
        NucleotideTokenizer.from_json(tmp_path / "nothing.json")


def test_a_layout_that_is_too_small_for_its_tokens() -> None:
    with pytest.raises(ScmambaError, match="knows 12 tokens, but the weights have 8 ids"):
        NucleotideTokenizer.caduceus(size=8)


@pytest.mark.parametrize("number", [2**20, 10**12, 10**30])
def test_ids_are_not_believed(tmp_path: Path, number: int) -> None:
    vocab = {"[PAD]": 0, "A": 1, "C": 2, "G": 3, "T": 4, "N": number}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocab, "merges": []}}))
    with pytest.raises(
        ScmambaError, match=r"tokenizer\.json: model\.vocab\.N=10+|.vocab\.N=1048576"
    ):
        NucleotideTokenizer.from_folder(tmp_path)


def test_a_vocabulary_size_is_not_believed(tmp_path: Path) -> None:
    caduceus_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 10**12}))
    with pytest.raises(ScmambaError, match=r"config\.json: vocab_size=1000000000000; a whole"):
        NucleotideTokenizer.from_folder(tmp_path)


ODD = [None, True, -1, 1.5, 10**30, "text", [], [None], {}, {"a": {"b": []}}]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_wrong_types_in_every_field_of_a_saved_tokenizer(tmp_path: Path, value: object) -> None:
    path = tmp_path / "nucleotides.json"
    NucleotideTokenizer.caduceus().to_json(path)
    whole = json.loads(path.read_text())
    for name in whole:
        path.write_text(json.dumps({**whole, name: value}))
        try:
            NucleotideTokenizer.from_json(path)
        except ScmambaError as error:
            assert "nucleotides.json" in str(error), error  # noqa: PT017


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_wrong_types_in_every_field_of_tokenizer_json(tmp_path: Path, value: object) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    model = {"type": "BPE", "vocab": {"A": 0, "C": 1, "G": 2, "T": 3, "N": 4}, "merges": []}
    token = {"id": 5, "content": "<pad>", "special": True}
    whole = {"model": model, "added_tokens": [token], "post_processor": None}
    odd = [{**whole, name: value} for name in whole]
    odd += [{**whole, "model": {**model, name: value}} for name in model]
    odd += [{**whole, "added_tokens": [{**token, name: value}]} for name in token]
    for content in odd:
        path.write_text(json.dumps(content))
        try:
            NucleotideTokenizer.from_folder(tmp_path)
        except ScmambaError as error:
            assert str(tmp_path) in str(error), error  # noqa: PT017
