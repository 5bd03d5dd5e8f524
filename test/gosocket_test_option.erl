%% Sets and reads the rows of the option tables through the API, and reads them by number as well.
-module(gosocket_test_option).

-include("gosocket_test.hrl").

-export([check/1]).

-type row() :: gosocket_test_option_rows:row().
-type socket() :: gosocket_test_lib:socket().
-type outcome() :: passed | {skipped, term()} | {failed, [term()]}.

%% All rows of a level. Rows that this machine or user cannot have are told; when nothing is left, the case is skipped.
-spec check(atom()) -> ok.
check(Level) ->
    Outcomes = [{element(2, Row), element(4, Row), row(Row)}
                || Row <- gosocket_test_option_rows:rows(), element(1, Row) =:= Level],
    Skipped = [{Option, Why} || {Option, _, {skipped, Why}} <- Outcomes],
    Passed = [Option || {Option, Number, passed} <- Outcomes, Number =/= none],
    [io:format(user, "skipped options of level ~p: ~0tp~n", [Level, Skipped]) || Skipped =/= [], Passed =/= []],
    ?assertEqual([], [{Option, Why} || {Option, _, {failed, Why}} <- Outcomes]),
    gosocket_test_lib:skip_unless(Passed =/= [], lists:flatten(io_lib:format("~0tp", [lists:usort([Why || {_, Why} <- Skipped])]))).

-spec row(row()) -> outcome().
row({Level, Option, _, none, none, _, []}) ->
    {Socket, Sockets} = open("udp4"),
    Unknown = {error, {invalid, {not_supported, {Level, Option}}}},
    Results = [gosocket_test_lib:outcome(fun() -> ?S:getopt(Socket, Level, Option) end),
               gosocket_test_lib:outcome(fun() -> ?S:setopt(Socket, Level, Option, true) end)],
    gosocket_test_net:close(Sockets),
    verdict([{Result, Unknown} || Result <- Results, Result =/= Unknown]);
row({_, _, Kind, _, _, _, Tries} = Row) ->
    case open(Kind) of
        {error, Reason} ->
            {skipped, {Kind, Reason}};
        {Socket, Sockets} ->
            try
                verdict(lists:flatmap(fun(Try) -> try_one(Socket, Row, Try) end, Tries))
            catch
                throw:{skip, Reason} -> {skipped, Reason}
            after
                gosocket_test_net:close(Sockets)
            end
    end.

-spec verdict([term()]) -> outcome().
verdict([]) -> passed;
verdict(Failures) -> {failed, Failures}.

%% What is wrong.
-spec try_one(socket(), row(), gosocket_test_option_rows:attempt()) -> [term()].
try_one(Socket, {Level, Option, _, Number, Form, Extra, _}, {First, Set, Read}) ->
    first(Socket, First) ++ set(Socket, Level, Option, Extra, Set) ++ get(Socket, Level, Option, Extra, Number, Form, Read).

-spec first(socket(), term()) -> [term()].
first(_, none) ->
    [];
first(Socket, {Level, Option, Value}) ->
    wrong({first, Level, Option, Value}, ok, ?S:setopt(Socket, Level, Option, Value)).

-spec set(socket(), atom(), atom(), boolean(), term()) -> [term()].
set(_, _, _, _, none) ->
    [];
set(Socket, Level, Option, Extra, {Value, Expected, Without}) ->
    case ?S:setopt(Socket, Level, Option, Value) of
        Expected -> [];
        {error, Without} -> throw({skip, {Value, Without}});
        {error, enoprotoopt} when Extra -> throw({skip, enoprotoopt});
        Other -> [{set, Value, Other, instead_of, Expected}]
    end.

-spec get(socket(), atom(), atom(), boolean(), term(), term(), term()) -> [term()].
get(_, _, _, _, _, _, none) ->
    [];
get(Socket, Level, Option, Extra, Number, Form, Expected) ->
    Result = ?S:getopt(Socket, Level, Option),
    case lists:member(Result, Expected) orelse lists:member(any, Expected) andalso element(1, Result) =:= ok of
        true -> by_number(Socket, Level, Number, Form, Result);
        false when Extra, Result =:= {error, enoprotoopt} -> throw({skip, enoprotoopt});
        false -> [{get, Result, instead_of, Expected}]
    end.

%% By level and number, by the level's name and number, and as bytes, of which there are 4 of a number.
-spec by_number(socket(), atom(), none | {integer(), integer()}, term(), term()) -> [term()].
by_number(_, _, _, none, _) ->
    [];
by_number(_, _, _, _, {error, _}) ->
    [];
by_number(Socket, Level, {LevelNumber, Number}, Form, Result) when is_atom(Form) ->
    wrong({LevelNumber, Number}, Result, ?S:getopt(Socket, LevelNumber, {Number, Form})) ++
        wrong({Level, Number}, Result, ?S:getopt(Socket, Level, {Number, Form})) ++
        wrong({Level, Number, 4}, Result, plain(Form, ?S:getopt(Socket, Level, {Number, 4})));
by_number(Socket, _, {LevelNumber, Number}, Size, _) ->
    case ?S:getopt(Socket, LevelNumber, {Number, Size}) of
        {ok, Bytes} when is_binary(Bytes), byte_size(Bytes) =< Size -> [];
        Other -> [{{LevelNumber, Number}, Other}]
    end.

-spec plain(int | bool, term()) -> term().
plain(int, {ok, <<N:32/native-signed>>}) -> {ok, N};
plain(bool, {ok, <<N:32/native>>}) -> {ok, N =/= 0};
plain(_, Other) -> Other.

-spec wrong(term(), term(), term()) -> [term()].
wrong(_, Same, Same) -> [];
wrong(What, Expected, Result) -> [{What, Result, instead_of, Expected}].

%% ---- sockets by the names that the tables have for them ----

-spec open(string()) -> {socket(), [socket()]} | {error, term()}.
open(Kind) ->
    case arguments(Kind) of
        {pair, DomainAndType} ->
            {A, B} = gosocket_test_net:pair(DomainAndType),
            {A, [A, B]};
        {sctp_pair, Domain} ->
            case gosocket_test_sctp:lacking() of
                "" ->
                    {A, B} = gosocket_test_sctp:sctp_pair(Domain),
                    {A, [A, B]};
                Why ->
                    {error, Why}
            end;
        mapped ->
            Listener = gosocket_test_net:listener({inet, stream}),
            {ok, #{port := Port}} = ?S:sockname(Listener),
            {ok, Socket} = ?S:open(inet6, stream, tcp),
            ok = ?S:connect(Socket, #{family => inet6, addr => {0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1}, port => Port}),
            {Socket, [Listener, Socket]};
        {Domain, Type, Protocol} ->
            case ?S:open(Domain, Type, Protocol) of
                {ok, Socket} -> {Socket, [Socket]};
                {error, Reason} -> {error, Reason}
            end
    end.

-spec arguments(string()) -> term().
arguments("tcp4") -> {inet, stream, tcp};
arguments("tcp6") -> {inet6, stream, tcp};
arguments("tcp4 connected") -> {pair, {inet, stream}};
arguments("tcp6 connected to IPv4") -> mapped;
arguments("udp4") -> {inet, dgram, udp};
arguments("udp6") -> {inet6, dgram, udp};
arguments("udp4 connected") -> {pair, {inet, dgram}};
arguments("udp6 connected") -> {pair, {inet6, dgram}};
arguments("local stream") -> {local, stream, ip};
arguments("local dgram") -> {local, dgram, ip};
arguments("local stream connected") -> {pair, {local, stream}};
arguments("raw icmp") -> {inet, raw, icmp};
arguments("raw ipv6 254") -> {inet6, raw, {raw, 254}};
arguments("raw ipv6 255") -> {inet6, raw, {raw, 255}};
arguments("packet") -> {packet, raw, {raw, 0}};
arguments("sctp stream") -> {inet, stream, sctp};
arguments("sctp seqpacket") -> {inet, seqpacket, sctp};
arguments("sctp stream connected") -> {sctp_pair, inet}.
