%% A client of the bare protocol (docs/protocol.md): the helper is a port of the process that calls.
-module(gosocket_test_bare).

-include("gosocket_test.hrl").

%% the helper
-export([path/0, in_project/1, document/0, args/2, helper/2, bare/1, bare/2]).
%% frames
-export([encode/1, tell/2, tell_bytes/2, next/1, next_bytes/1, until/2, until_pong/1, only_pong/1, ask/2]).
%% sockets
-export([open/3, tcp_listener/1, tcp_pair/1]).

-type frame() :: term().
-type socket() :: non_neg_integer().

-define(LOOPBACK(Port), #{family => inet, addr => {127, 0, 0, 1}, port => Port}).

-spec path() -> file:filename_all().
path() ->
    os:getenv("GOSOCKET_HELPER", in_project("priv/gosocket")).

%% priv is a link into the project wherever rebar3 builds.
-spec in_project(file:filename()) -> file:filename_all().
in_project(Name) ->
    filename:join([code:priv_dir(gosocket), "..", Name]).

-spec document() -> binary().
document() ->
    {ok, Document} = file:read_file(in_project("docs/protocol.md")),
    Document.

-spec args(pos_integer(), [string()]) -> [string()].
args(Loops, Args) ->
    ["-loops", integer_to_list(Loops), "-log-level", "error" | Args].

-spec helper(config(), [string()]) -> {port(), Hello :: #{atom() => term()}}.
helper(Config, Args) ->
    Loops = proplists:get_value(loops, Config, 1),
    Port = open_port({spawn_executable, path()}, [{packet, 4}, binary, exit_status, {args, args(Loops, Args)}]),
    {hello, Hello} = next(Port),
    {Port, Hello}.

%% With everything switched off: only replies, selects, aborts, more and want come.
-spec bare(config()) -> port().
bare(Config) ->
    bare(Config, []).

-spec bare(config(), [string()]) -> port().
bare(Config, Args) ->
    {Port, _} = helper(Config, Args),
    ok = ask(Port, {hello, #{watch => false, delivered => false, consumed => false, closed => false}}),
    Port.

-spec encode(term()) -> binary().
encode(Term) ->
    term_to_binary(Term).

-spec tell(port(), Item :: term()) -> ok.
tell(Port, Term) ->
    tell_bytes(Port, encode(Term)).

-spec tell_bytes(port(), binary()) -> ok.
tell_bytes(Port, Bytes) ->
    true = port_command(Port, Bytes),
    ok.

-spec next_bytes(port()) -> binary().
next_bytes(Port) ->
    receive
        {Port, {data, Frame}} -> Frame
    after ?PATIENCE -> ct:fail({no_frame, erlang:process_info(self(), messages)})
    end.

-spec next(port()) -> frame().
next(Port) ->
    binary_to_term(next_bytes(Port)).

%% The frames ahead of this one.
-spec until(frame(), port()) -> [frame()].
until(Frame, Port) ->
    case next(Port) of
        Frame -> [];
        Other -> [Other | until(Frame, Port)]
    end.

-spec until_pong(port()) -> [frame()].
until_pong(Port) ->
    N = erlang:unique_integer(),
    tell(Port, {ping, N}),
    until({pong, N}, Port).

-spec only_pong(port()) -> ok.
only_pong(Port) ->
    ?assertEqual([], until_pong(Port)).

%% A request and its reply, leaving other frames where they are. Smaller Ids are the test's.
-spec ask(port(), Call :: tuple()) -> Result :: term().
ask(Port, Call) ->
    put({called, element(1, Call)}, true),
    Id = (1 bsl 30) + erlang:unique_integer([positive]) rem (1 bsl 30),
    tell(Port, {Id, Call}),
    receive
        {Port, {data, <<131, 104, 2, 98, Id:32, _/binary>> = Frame}} ->
            {Id, Result} = binary_to_term(Frame),
            Result
    after ?PATIENCE -> ct:fail({no_reply, Call, erlang:process_info(self(), messages)})
    end.

-spec open(port(), atom(), atom()) -> socket().
open(Port, Type, Protocol) ->
    {ok, {Socket, 2, _, _, 0}} = ask(Port, {open, me, inet, Type, Protocol, #{}}),
    Socket.

-spec tcp_listener(port()) -> {socket(), Address :: map()}.
tcp_listener(Port) ->
    Listener = open(Port, stream, tcp),
    {ok, Number} = ask(Port, {bind, Listener, ?LOOPBACK(0)}),
    ok = ask(Port, {listen, Listener, 5}),
    {Listener, ?LOOPBACK(Number)}.

-spec tcp_pair(port()) -> {socket(), socket()}.
tcp_pair(Port) ->
    {Listener, Address} = tcp_listener(Port),
    Client = open(Port, stream, tcp),
    ok = ask(Port, {connect, Client, me, Address, 5000, []}),
    {ok, {Server, _, _, _, _}} = ask(Port, {accept, Listener, me, 5000, []}),
    ok = ask(Port, {close, Listener, me}),
    {Client, Server}.
