%% Answers what it is sent, on TCP port 7 (RFC 862).
-module(echo_app).

-behaviour(application).
-behaviour(supervisor).

-export([start/2, stop/1, init/1]).
-export([start_listener/0, listen/0]).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Arguments) -> supervisor:start_link(?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) -> ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) -> {ok, {#{}, [#{id => listener, start => {?MODULE, start_listener, []}}]}}.

-spec start_listener() -> {ok, pid()} | {error, term()}.
start_listener() -> proc_lib:start_link(?MODULE, listen, []).

%% When the helper ends, `accept' answers `closed', and the supervisor starts this anew with the next helper.
-spec listen() -> no_return().
listen() ->
    {ok, Listener} = gosocket:open(inet, stream, tcp),
    ok = gosocket:setopt(Listener, socket, reuseaddr, true),
    {ok, 7} = gosocket:bind(Listener, #{family => inet, addr => any, port => 7}),
    ok = gosocket:listen(Listener),
    ok = proc_lib:init_ack({ok, self()}),
    accept(Listener).

-spec accept(gosocket:socket()) -> no_return().
accept(Listener) ->
    {ok, Connection} = gosocket:accept(Listener),
    Echo = spawn(fun() -> receive owner -> echo(Connection) end end),
    _ = gosocket:setopt(Connection, otp, controlling_process, Echo),
    Echo ! owner,
    accept(Listener).

-spec echo(gosocket:socket()) -> ok | {error, term()}.
echo(Connection) ->
    case gosocket:recv(Connection) of
        {ok, Data} ->
            _ = gosocket:send(Connection, Data),
            echo(Connection);
        {error, _} ->
            gosocket:close(Connection)
    end.
