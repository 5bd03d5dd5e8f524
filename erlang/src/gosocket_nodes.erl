%% @private
%% @doc The door between nodes, registered under this name on each. A process with another node's handle
%% calls through {@link gosocket_remote}, one process for each node called; that one is answered for by a
%% {@link gosocket_proxy} at the handle's home, one for each node calling. All of them are started here
%% and end with their connection.
%%
%% <pre>
%%   caller -> gosocket_remote  -- distribution --  gosocket_proxy -> lane
%% </pre>
-module(gosocket_nodes).

-behaviour(gen_server).

-export([start_link/0,
         remote/1,
         start_remote/1,
         remotes/0,
         route/2]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2,
         terminate/2]).

-include("gosocket.hrl").

%% For those who call other nodes to end in: one that is suspended, since the other node does not read, does not.
-define(PATIENCE, 300).

-type state() :: [].

-include("gosocket_reload.hrl").

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gosocket_sup:succeed(fun() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) end).

%% @doc Who calls that node. Starts the application if need be, in bounded time.
-spec remote(node()) -> {ok, pid()} | {error, closed}.
remote(Node) ->
    case find({remote, Node}) of
        none -> gosocket_start:remote(Node);
        Remote -> {ok, Remote}
    end.

%% @doc The same when the application runs.
-spec start_remote(node()) -> {ok, pid()}.
start_remote(Node) ->
    gen_server:call(?MODULE, {remote, Node}, infinity).

-spec remotes() -> [pid()].
remotes() ->
    try
        lists:append(ets:match(?MODULE, {{remote, '_'}, '$1'}))
    catch
        error:badarg -> []
    end.

%% @doc To whom a select or abort message is to be sent, and how. Who sends to a node that does not read is suspended: a
%% proxy is not. Without one its node has seen the end of its session, and knows what that means for its selects.
-spec route(pid(), Message :: term()) -> {pid(), term()} | none.
route(Pid, Message) when node(Pid) =:= node() ->
    {Pid, Message};
route(Pid, Message) ->
    case find({proxy, node(Pid)}) of
        none -> none;
        Proxy -> {Proxy, {message, Pid, Message}}
    end.

-spec find({remote | proxy, node()}) -> pid() | none.
find(Key) ->
    try ets:lookup(?MODULE, Key) of
        [{Key, Pid}] -> Pid;
        [] -> none
    catch
        error:badarg -> none
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    process_flag(trap_exit, true),
    ?MODULE = ets:new(?MODULE, [named_table, {read_concurrency, true}]),
    {ok, []}.

-spec handle_call({remote, node()}, {pid(), term()}, state()) -> {reply, {ok, pid()}, state()}.
handle_call({remote, Node}, _From, State) ->
    case find({remote, Node}) of
        none -> {reply, {ok, started({remote, Node}, gosocket_remote:start_link(Node))}, State};
        Remote -> {reply, {ok, Remote}, State}
    end.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, State) ->
    {noreply, State}.

%% What other releases may send is in docs/architecture.md.
-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({attach, Remote, ?SESSION_VERSION}, State) when is_pid(Remote) ->
    started({proxy, node(Remote)}, gosocket_proxy:start_link(Remote)),
    {noreply, State};
handle_info({attach, Remote, _}, State) when is_pid(Remote) ->
    spawn(fun() -> erlang:send(Remote, {refused, ?SESSION_VERSION}, [noconnect]) end),
    {noreply, State};
handle_info({'EXIT', Pid, _Reason}, State) ->
    ets:match_delete(?MODULE, {'_', Pid}),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

%% They end with this process in any case. Where that is because guardian and heir are gone they are the last who know of their selects.
-spec terminate(term(), state()) -> ok.
terminate(_Reason, _State) ->
    gosocket_sup:end_all(remotes(), fun(Remote) -> Remote ! {unguarded, self()} end, ?PATIENCE).

-spec started({remote | proxy, node()}, {ok, pid()}) -> pid().
started(Key, {ok, Pid}) ->
    ets:insert(?MODULE, {Key, Pid}),
    Pid.
