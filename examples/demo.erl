%% @doc Two nodes, each with a helper of its own. For each transport, a process of this node exchanges messages
%% with a process of the other one and sends it a file, which comes back as its hash.
-module(demo).

-export([main/0, serve/1]).

-type transport() :: tcp4 | tcp6 | unix | udp4.
-type address() :: gosocket:sockaddr().
-type call() :: fun((module(), atom(), [term()]) -> term()).

-define(ROUNDS, 2000).
-define(MESSAGE, 100).
-define(FILE_MIB, 16).
-define(PIECE, 65536).
-define(PATIENCE, 20000).

-spec main() -> no_return().
main() ->
    logger:set_primary_config(level, warning),
    {Call, Stop} = start_node(),
    {File, Hash} = make_file(),
    Done = try
               report_nodes(Call),
               [exchange(Transport, Call, File, Hash) || Transport <- [tcp4, tcp6, unix, udp4]]
           catch
               Class:Reason:Stack ->
                   io:format("FAILED: ~p ~p~n~p~n", [Class, Reason, Stack]),
                   [failed]
           end,
    ok = file:delete(File),
    Stop(),
    halt(case lists:member(failed, Done) of true -> 1; false -> 0 end).

-spec report_nodes(call()) -> ok.
report_nodes(Call) ->
    io:format("OTP ~s; process ~s of the operating system talks to process ~s, each through its own helper~n",
              [erlang:system_info(otp_release), os:getpid(), Call(os, getpid, [])]).

%% peer came with OTP 25; slave went with OTP 29.
-spec start_node() -> {call(), Stop :: fun(() -> term())}.
start_node() ->
    Path = lists:append([["-pa", filename:dirname(code:which(Module))] || Module <- [?MODULE, gosocket]]),
    case code:ensure_loaded(peer) of
        {module, Peer} ->
            {ok, Pid, _} = Peer:start_link(#{connection => standard_io, args => Path}),
            {fun(M, F, A) -> Peer:call(Pid, M, F, A, ?PATIENCE) end, fun() -> Peer:stop(Pid) end};
        {error, _} ->
            Slave = slave,
            {ok, _} = net_kernel:start([list_to_atom("demo" ++ os:getpid()), shortnames]),
            [_, Host] = string:lexemes(atom_to_list(node()), "@"),
            {ok, Node} = Slave:start_link(list_to_atom(Host), "demo_peer" ++ os:getpid(), lists:join($\s, Path)),
            {fun(M, F, A) -> rpc:call(Node, M, F, A, ?PATIENCE) end, fun() -> Slave:stop(Node) end}
    end.

-spec make_file() -> {file:filename(), Hash :: binary()}.
make_file() ->
    Name = filename:join(os:getenv("TMPDIR", "/tmp"), "gosocket-demo-" ++ os:getpid()),
    Data = crypto:strong_rand_bytes(?FILE_MIB bsl 20),
    ok = file:write_file(Name, Data),
    {Name, crypto:hash(sha256, Data)}.

-spec exchange(transport(), call(), file:filename(), binary()) -> ok | failed.
exchange(Transport, Call, File, Hash) ->
    case Call(?MODULE, serve, [Transport]) of
        {ok, Address} ->
            {ok, S} = open(Transport),
            Result = client(Transport, S, Address, File, Hash),
            ok = gosocket:close(S),
            Result;
        {error, Reason} when Reason =:= eafnosupport; Reason =:= eaddrnotavail ->
            io:format("~-10s not on this machine: ~s~n", [name(Transport), Reason]);
        Error ->
            io:format("~-10s FAILED: ~p~n", [name(Transport), Error]),
            failed
    end.

-spec client(transport(), gosocket:socket(), address(), file:filename(), binary()) -> ok | failed.
client(udp4, S, Address, _File, _Hash) ->
    {ok, _} = gosocket:bind(S, address(udp4)),
    {Microseconds, ok} = timer:tc(fun() -> ask_datagrams(S, Address, ?ROUNDS) end),
    io:format("~-10s ~b round trips of ~b bytes, ~.1f us each~n",
              [name(udp4), ?ROUNDS, ?MESSAGE, Microseconds / ?ROUNDS]);
client(Transport, S, Address, File, Hash) ->
    ok = gosocket:connect(S, Address, ?PATIENCE),
    {Asking, ok} = timer:tc(fun() -> ask(S, ?ROUNDS) end),
    {ok, Data} = file:read_file(File),
    Start = erlang:monotonic_time(microsecond),
    ok = gosocket:send(S, <<(byte_size(Data)):64>>, ?PATIENCE),
    ok = gosocket:send(S, Data, ?PATIENCE),
    {ok, Answer} = gosocket:recv(S, byte_size(Hash), ?PATIENCE),
    Sending = erlang:monotonic_time(microsecond) - Start,
    io:format("~-10s ~b round trips of ~b bytes, ~.1f us each; a file of ~b MiB at ~b MiB/s, its sha256 ~s~n",
              [name(Transport), ?ROUNDS, ?MESSAGE, Asking / ?ROUNDS, ?FILE_MIB, round(?FILE_MIB / Sending * 1.0e6),
               case Answer of Hash -> "is right"; _ -> "is WRONG" end]),
    case Answer of Hash -> ok; _ -> failed end.

-spec ask(gosocket:socket(), non_neg_integer()) -> ok.
ask(_S, 0) ->
    ok;
ask(S, Count) ->
    Question = <<Count:?MESSAGE/unit:8>>,
    ok = gosocket:send(S, Question),
    {ok, Question} = gosocket:recv(S, ?MESSAGE, ?PATIENCE),
    ask(S, Count - 1).

-spec ask_datagrams(gosocket:socket(), address(), non_neg_integer()) -> ok.
ask_datagrams(_S, _Address, 0) ->
    ok;
ask_datagrams(S, Address, Count) ->
    Question = <<Count:?MESSAGE/unit:8>>,
    ok = gosocket:sendto(S, Question, Address),
    {ok, {_From, Question}} = gosocket:recvfrom(S, 0, ?PATIENCE),
    ask_datagrams(S, Address, Count - 1).

%% ---- the other node ----

%% @doc Starts a process that serves one client.
-spec serve(transport()) -> {ok, address()} | {error, term()}.
serve(Transport) ->
    Caller = self(),
    {Server, Monitor} = spawn_monitor(fun() -> server(Transport, Caller) end),
    receive
        {Server, Address} -> demonitor(Monitor, [flush]), {ok, Address};
        {'DOWN', Monitor, process, Server, Reason} -> {error, Reason}
    end.

-spec server(transport(), pid()) -> ok.
server(Transport, Caller) ->
    S = case open(Transport) of
            {ok, Opened} -> Opened;
            {error, Reason} -> exit(Reason)
        end,
    case gosocket:bind(S, address(Transport)) of
        {ok, _} -> ok;
        {error, BindReason} -> exit(BindReason)
    end,
    _ = Transport =:= udp4 orelse gosocket:listen(S),
    {ok, Address} = gosocket:sockname(S),
    Caller ! {self(), Address},
    answer(Transport, S).

-spec answer(transport(), gosocket:socket()) -> ok.
answer(udp4, S) ->
    answer_datagrams(S, ?ROUNDS);
answer(_Transport, Listener) ->
    {ok, S} = gosocket:accept(Listener, ?PATIENCE),
    ok = answer_messages(S, ?ROUNDS),
    {ok, <<Size:64>>} = gosocket:recv(S, 8, ?PATIENCE),
    Hash = receive_file(S, Size, crypto:hash_init(sha256)),
    ok = gosocket:send(S, Hash),
    {error, closed} = gosocket:recv(S, 0, ?PATIENCE),
    ok = gosocket:close(S),
    gosocket:close(Listener).

-spec answer_messages(gosocket:socket(), non_neg_integer()) -> ok.
answer_messages(_S, 0) ->
    ok;
answer_messages(S, Count) ->
    {ok, Message} = gosocket:recv(S, ?MESSAGE, ?PATIENCE),
    ok = gosocket:send(S, Message),
    answer_messages(S, Count - 1).

-spec answer_datagrams(gosocket:socket(), non_neg_integer()) -> ok.
answer_datagrams(S, 0) ->
    gosocket:close(S);
answer_datagrams(S, Count) ->
    {ok, {From, Message}} = gosocket:recvfrom(S, 0, ?PATIENCE),
    ok = gosocket:sendto(S, Message, From),
    answer_datagrams(S, Count - 1).

-spec receive_file(gosocket:socket(), non_neg_integer(), crypto:hash_state()) -> Hash :: binary().
receive_file(_S, 0, State) ->
    crypto:hash_final(State);
receive_file(S, Left, State) ->
    {ok, Piece} = gosocket:recv(S, min(Left, ?PIECE), ?PATIENCE),
    receive_file(S, Left - byte_size(Piece), crypto:hash_update(State, Piece)).

%% ---- transports ----

-spec name(transport()) -> string().
name(tcp4) -> "TCP inet";
name(tcp6) -> "TCP inet6";
name(unix) -> "Unix";
name(udp4) -> "UDP".

-spec open(transport()) -> {ok, gosocket:socket()} | {error, term()}.
open(tcp4) -> nodelay(gosocket:open(inet, stream, tcp));
open(tcp6) -> nodelay(gosocket:open(inet6, stream, tcp));
open(unix) -> gosocket:open(local, stream, default);
open(udp4) -> gosocket:open(inet, dgram, udp).

-spec nodelay({ok, gosocket:socket()} | {error, term()}) -> {ok, gosocket:socket()} | {error, term()}.
nodelay({ok, S}) ->
    ok = gosocket:setopt(S, tcp, nodelay, true),
    {ok, S};
nodelay(Error) ->
    Error.

%% A path that begins with a zero byte is in no file system.
-spec address(transport()) -> address().
address(tcp6) -> #{family => inet6, addr => loopback, port => 0};
address(unix) -> #{family => local, path => <<0, "gosocket-demo-", (list_to_binary(os:getpid()))/binary>>};
address(_) -> #{family => inet, addr => loopback, port => 0}.
