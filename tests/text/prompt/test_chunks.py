"""Chunks: against a second, plainer telling of A1111's rule, and ComfyUI's by hand. In CLIP "a" is 320, "," is 267."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.attention import Segment, parse_attention
from inkbloom.text.prompt.chunks import Chunker, EmbeddingRow
from inkbloom.text.tokenizer import Tokenizer

CLIP = Tokenizer.clip()
BOS, EOS, A, COMMA = 49406, 49407, 320, 267


def words(count):
    return ["a"] * count


def cut(text, **settings):
    return Chunker(tokenizer=CLIP, **settings)(parse_attention(text))


def lengths(chunks):
    return [chunk.num_tokens for chunk in chunks]


def test_a_short_prompt_is_one_padded_chunk():
    (chunk,) = cut("a (photograph:1.5) of an astronaut")
    assert chunk.ids == (BOS, 320, 8853, 539, 550, 18376, EOS, *[EOS] * 70)
    assert chunk.weights == (1, 1, 1.5, 1, 1, 1, 1, *[1] * 70)
    assert chunk.num_tokens == 5
    assert chunk.embeddings == ()


def test_padding_of_stable_diffusion_2():
    (chunk,) = cut("a", pad_id=0)
    assert chunk.ids == (BOS, A, EOS, *[0] * 74)
    assert Chunker(tokenizer=CLIP, pad_id=0).empty().ids == (BOS, EOS, *[0] * 75)


def test_an_empty_prompt_is_the_empty_chunk():
    chunker = Chunker(tokenizer=CLIP)
    assert chunker([Segment("")]) == [chunker.empty()]
    assert chunker.empty().ids == (BOS, *[EOS] * 76)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (words(75), [75]),
        (words(76), [75, 1]),
        # 1 to 20 tokens ago: what follows the comma moves
        ([*words(54), ",", *words(21)], [75, 1]),
        ([*words(55), ",", *words(20)], [56, 20]),
        ([*words(55), ",", *words(19)], [75]),
        ([*words(74), ",", "a"], [75, 1]),
        ([*words(73), ",", "a", "a"], [74, 2]),
        # A comma as the 76th token ends nothing
        ([*words(60), ",", *words(14), ",", "a"], [75, 2]),
        (words(200), [75, 75, 50]),
    ],
)
def test_comma_backtracking(parts, expected):
    text = " ".join(parts)
    assert lengths(cut(text)) == expected
    assert lengths(cut(text, backtrack=0)) == [min(75, len(parts) - start) for start in range(0, len(parts), 75)]


def test_break_fills_the_chunk():
    assert lengths(cut("a BREAK a a")) == [1, 2]
    assert lengths(cut("BREAK a")) == [0, 1]
    assert lengths(cut("a BREAK BREAK a")) == [1, 0, 1]
    assert lengths(cut("a BREAK")) == [1]
    assert lengths(cut("BREAK")) == [0]
    assert lengths(cut(" ".join(words(75)) + " BREAK a")) == [75, 1]


def test_embeddings_are_found_by_token_ids_the_longest_first():
    (chunk,) = cut("a (BAD-hand, bad:1.5)", embeddings={"bad": 1, "bad-hand": 2})
    rows = [(2, "bad-hand", 0), (3, "bad-hand", 1), (5, "bad", 0)]
    assert chunk.embeddings == tuple(EmbeddingRow(*row) for row in rows)
    assert chunk.ids[:7] == (BOS, A, 0, 0, COMMA, 0, EOS)
    assert chunk.weights[:7] == (1, 1, 1.5, 1.5, 1.5, 1.5, 1)


def test_rows_of_an_embedding_stay_together():
    chunks = cut(" ".join([*words(74), "emb"]), embeddings={"emb": 3})
    assert lengths(chunks) == [74, 3]
    assert chunks[1].embeddings == tuple(EmbeddingRow(row + 1, "emb", row) for row in range(3))


def test_rows_of_an_embedding_move_behind_a_comma():
    chunks = cut(" ".join([*words(70), ",", "emb", "a", "a"]), embeddings={"emb": 3})
    assert lengths(chunks) == [71, 5]
    assert [row.index for row in chunks[1].embeddings] == [1, 2, 3]


@pytest.mark.parametrize("count", [0, 76])
def test_embeddings_that_fit_into_no_chunk_are_refused(count):
    with pytest.raises(RequestError, match=f'^Embedding "emb" has {count} vectors; a chunk holds 1 to 75'):
        cut("emb", embeddings={"emb": count})


def test_wrong_settings_are_refused():
    with pytest.raises(RequestError, match=r"^Comma backtrack -1 is out of range; allowed are 0 and more\.$"):
        Chunker(tokenizer=CLIP, backtrack=-1)
    with pytest.raises(RequestError, match=r"^A chunk of 0 tokens holds nothing; at least 1 is needed\.$"):
        Chunker(tokenizer=CLIP, chunk_tokens=0)
    with pytest.raises(RequestError, match=r'^Unknown prompt dialect "comfi". Did you mean "comfy"'):
        Chunker(tokenizer=CLIP, dialect="comfi")


@pytest.mark.parametrize("dialect", ["a1111", "comfy", "plain"])
def test_a_shorter_text_encoder(dialect):
    chunker = Chunker(tokenizer=CLIP, dialect=dialect, chunk_tokens=4)
    chunks = chunker([Segment("a a a a a a"), Segment("cat", 1.5)])
    assert lengths(chunks) == [4, 3]
    assert [len(chunk.ids) for chunk in chunks] == [len(chunk.weights) for chunk in chunks] == [6, 6]
    assert len(chunker.empty().ids) == 6


def test_plain_neither_backtracks_nor_looks_for_embeddings():
    plain = Chunker(tokenizer=CLIP, dialect="plain", embeddings={"emb": 2})
    assert lengths(plain([Segment(" ".join([*words(60), ",", *words(20)]))])) == [75, 6]
    (chunk,) = plain([Segment("emb")])
    assert chunk.embeddings == ()


COMFY = Chunker(tokenizer=CLIP, dialect="comfy", embeddings={"emb": 3, "wide": 9})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([76], [75, 1]),
        # Fewer than 8 tokens stay together, 8 do not
        ([70, 7], [70, 7]),
        ([70, 8], [75, 3]),
        ([75, 7], [75, 7]),
        ([75, 8], [75, 8]),
        ([160], [75, 75, 10]),
    ],
)
def test_comfy_keeps_short_runs_whole(counts, expected):
    segments = [Segment(" ".join(words(count)), 1 + index / 8) for index, count in enumerate(counts)]
    chunks = COMFY(segments)
    assert lengths(chunks) == expected
    weights = [weight for chunk in chunks for weight in chunk.weights[1 : chunk.num_tokens + 1]]
    assert weights == [1 + index / 8 for index, count in enumerate(counts) for _ in range(count)]


def test_comfy_embeddings():
    (chunk,) = COMFY([Segment("a embedding:emb, a emb", 1.5)])
    assert chunk.embeddings == tuple(EmbeddingRow(row + 2, "emb", row) for row in range(3))
    assert chunk.ids[1:7] == (A, 0, 0, 0, COMMA, A)
    (chunk,) = COMFY([Segment("embedding:emb.safetensors")])
    assert len(chunk.embeddings) == 3
    assert lengths(COMFY([Segment(" ".join(words(74))), Segment("embedding:emb")])) == [74, 3]
    assert lengths(COMFY([Segment(" ".join(words(74))), Segment("embedding:wide")])) == [75, 8]


def test_comfy_unknown_embeddings():
    with pytest.raises(RequestError) as caught:
        COMFY([Segment("a embedding:enb, b")])
    assert str(caught.value) == 'Unknown embedding "enb". Did you mean "emb"?'
    warnings = []
    lenient = Chunker(tokenizer=CLIP, dialect="comfy", on_unknown=warnings.append)
    (chunk,) = lenient([Segment("a embedding:enb, a")])
    assert chunk.ids[1:4] == (A, COMMA, A)
    assert warnings == ['Unknown embedding "enb". None are known.']


def reference(ids, weights):
    """A1111's rule token by token, without embeddings: each chunk's (ids, weights)."""
    chunks, chunk, last_comma = [], [], -1
    for pair in zip(ids, weights, strict=True):
        if pair[0] == COMMA:
            last_comma = len(chunk)
        elif len(chunk) == 75 and last_comma != -1 and len(chunk) - last_comma <= 20:
            chunks.append(chunk[: last_comma + 1])
            chunk, last_comma = chunk[last_comma + 1 :], -1
        if len(chunk) == 75:
            chunks.append(chunk)
            chunk, last_comma = [], -1
        chunk.append(pair)
    return [*chunks, chunk] if chunk or not chunks else chunks


RUN = st.tuples(st.lists(st.sampled_from(["a", "cat", ","]), max_size=60), st.sampled_from([1, 1.5]))


@settings(max_examples=50)
@given(st.lists(RUN, max_size=6))
def test_all_tokens_are_kept_in_their_order(runs):
    segments = [Segment(" ".join(parts), weight) for parts, weight in runs]
    ids = [token for segment in segments for token in CLIP.encode(segment.text)]
    weights = [segment.weight for segment in segments for _ in CLIP.encode(segment.text)]
    for dialect in ("a1111", "comfy", "plain"):
        chunks = Chunker(tokenizer=CLIP, dialect=dialect)(segments)
        rows = [list(zip(chunk.ids, chunk.weights, strict=True))[1 : chunk.num_tokens + 1] for chunk in chunks]
        assert [pair for row in rows for pair in row] == list(zip(ids, weights, strict=True))
        assert all(len(chunk.ids) == len(chunk.weights) == 77 for chunk in chunks)
        if dialect == "a1111":
            assert rows == reference(ids, weights)
