%% The other side of the tests of package etf: makes random terms, and says what the running OTP
%% thinks of the terms that the tests made. Files hold frames: a length of 32 bits and as many bytes.
-module(etf_terms).
-export([main/1]).

-spec main([string()]) -> ok.
main(["write", File, Count, Seed]) ->
    _ = rand:seed(exsss, list_to_integer(Seed)),
    Makers = makers(),
    Options = options(),
    Terms = [term(Makers, 4) || _ <- lists:seq(1, list_to_integer(Count))],
    write(File, [term_to_binary(T, pick(Options)) || T <- Terms]);
main(["release"]) ->
    io:put_chars(erlang:system_info(otp_release));
main(["refused", File]) ->
    Zeros = lists:duplicate(100, 0),
    write(File, [term_to_binary(Zeros, [compressed]) | local(Zeros)]);
main(["compare", A, B]) ->
    Pairs = lists:zip(read(A), read(B)),
    Differ = [P || {X, Y} = P <- Pairs, binary_to_term(X) =/= binary_to_term(Y)],
    io:format("~b differ ~0p~n", [length(Differ), lists:sublist(Differ, 3)]);
main(["evaluate", Binaries, Expressions]) ->
    Pairs = lists:zip(read(Binaries), read(Expressions)),
    Differ = [{E, catch binary_to_term(B)} || {B, E} <- Pairs, (catch binary_to_term(B)) =/= evaluate(E)],
    io:format("~b differ ~0p~n", [length(Differ), Differ]);
main(["judge", Frames, Verdicts]) ->
    write(Verdicts, [verdict(F) || F <- read(Frames)]).

-spec write(file:name(), [binary()]) -> ok.
write(File, Frames) ->
    ok = file:write_file(File, [[<<(byte_size(F)):32>>, F] || F <- Frames]).

-spec read(file:name()) -> [binary()].
read(File) ->
    {ok, Bytes} = file:read_file(File),
    [F || <<N:32, F:N/binary>> <= Bytes].

-spec verdict(binary()) -> binary().
verdict(Frame) ->
    try binary_to_term(Frame) of
        _ -> <<1>>
    catch
        error:badarg -> <<0>>
    end.

-spec evaluate(binary()) -> term().
evaluate(Expression) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(<<Expression/binary, ".">>)),
    {ok, Parsed} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Parsed, []),
    Value.

%% The option came with OTP 26.
-spec local(term()) -> [binary()].
local(Term) ->
    try [term_to_binary(Term, [local])] catch error:badarg -> [] end.

%% Those that the running OTP knows.
-spec options() -> [list()].
options() ->
    Known = fun(O) -> is_binary(catch term_to_binary(a, O)) end,
    lists:filter(Known, [[], [deterministic]] ++ [[{minor_version, V}] || V <- [0, 1, 2]]).

-spec pick([T]) -> T.
pick(List) -> lists:nth(rand:uniform(length(List)), List).

-type maker() :: fun((non_neg_integer()) -> term()).

-spec term([maker()], non_neg_integer()) -> term().
term(Makers, Depth) -> (pick(Makers))(Depth).

-spec terms(non_neg_integer(), non_neg_integer()) -> [term()].
terms(0, _) -> [];
terms(Depth, Max) -> [term(makers(), Depth - 1) || _ <- lists:seq(1, rand:uniform(Max + 1) - 1)].

-spec makers() -> [maker()].
makers() ->
    [fun integer/1, fun float/1, fun atom/1, fun tuple/1, fun list/1, fun string/1, fun binary/1, fun bits/1,
     fun map/1, fun identifier/1, fun function/1].

-spec integer(_) -> integer().
integer(_) ->
    Edge = 1 bsl pick([0, 7, 8, 15, 16, 27, 28, 31, 32, 59, 60, 63, 64, 8 * 255, 8 * 256]),
    case rand:uniform(4) of
        1 -> rand:uniform(256) - 1;
        2 -> pick([-1, 1]) * Edge + rand:uniform(3) - 2;
        3 -> rand:uniform(Edge) - Edge div 2;
        4 -> rand:uniform(1 bsl 32) - (1 bsl 31)
    end.

-spec float(_) -> float().
float(_) ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<F/float>> -> pick([F, 0.0, -0.0, 1.5, 5.0e-324, 1.7976931348623157e308, rand:normal()]);
        _ -> rand:normal()
    end.

-spec atom(_) -> atom().
atom(_) ->
    pick([ok, '', infinity, 'UPPER space', 'caf\x{e9}', '\x{65e5}\x{672c}', long($a, 255), long($\x{ff}, 255),
          long($\x{ff}, 128), long($\x{ff}, 127), long($\x{1F600}, 255), long($\x{1F600}, 64), long($\x{1F600}, 63)]).

-spec long(char(), pos_integer()) -> atom().
long(Char, N) -> list_to_atom(lists:duplicate(N, Char)).

-spec tuple(non_neg_integer()) -> tuple().
tuple(Depth) ->
    case rand:uniform(50) of
        1 -> erlang:make_tuple(pick([255, 256, 300]), integer(Depth));
        _ -> list_to_tuple(terms(Depth, 4))
    end.

-spec list(non_neg_integer()) -> maybe_improper_list().
list(Depth) ->
    case {rand:uniform(4), terms(Depth, 4)} of
        {1, [_ | _] = List} -> List ++ term(makers(), 0);
        {_, List} -> List
    end.

-spec string(_) -> string().
string(_) ->
    case rand:uniform(2000) of
        1 -> lists:duplicate(pick([65535, 65536]), rand:uniform(256) - 1);
        _ -> binary_to_list(binary(0))
    end.

-spec binary(_) -> binary().
binary(_) -> rand:bytes(rand:uniform(40) - 1).

-spec bits(_) -> bitstring().
bits(_) -> <<(binary(0))/binary, (rand:uniform(256) - 1):(rand:uniform(8) - 1)>>.

%% A map changes its form in the VM above 32 keys.
-spec map(non_neg_integer()) -> map().
map(Depth) ->
    case rand:uniform(50) of
        1 -> maps:from_list([{integer(0), N} || N <- lists:seq(1, 60)]);
        _ -> maps:from_list([{K, V} || K <- terms(Depth, 3), V <- terms(Depth, 1)])
    end.

%% Of this node, and of another one, whose identifiers have all their bits.
-spec identifier(_) -> pid() | port() | reference().
identifier(_) ->
    <<131, Name/binary>> = term_to_binary('other@host', [{minor_version, 2}]),
    Creation = pick([0, 1, 3, 4, 16#FFFFFFFF]),
    Words = rand:uniform(5),
    case rand:uniform(7) of
        1 -> self();
        2 -> make_ref();
        3 -> hd(erlang:ports());
        4 -> binary_to_term(<<131, 88, Name/binary, (rand:bytes(2))/binary, 1:16, 7:32, Creation:32>>);
        5 -> binary_to_term(<<131, 89, Name/binary, 0:4, (rand:uniform(1 bsl 28) - 1):28, Creation:32>>);
        6 -> binary_to_term(<<131, 120, Name/binary, (rand:bytes(8))/binary, Creation:32>>);
        7 -> binary_to_term(<<131, 90, Words:16, Name/binary, Creation:32, 0:14, 0:18, (rand:bytes(4 * Words - 4))/binary>>)
    end.

-spec function(non_neg_integer()) -> fun().
function(Depth) ->
    {A, B} = {term([fun integer/1, fun atom/1, fun binary/1], 0), terms(Depth, 2)},
    pick([fun lists:map/2, fun other:'caf\x{e9}'/255, fun() -> A end, fun(X) -> {X, A, B} end]).
