%% @doc Two network namespaces joined by a virtual cable, a server in one and a client in the other, both run by this node:
%% `examples/run netns'. Makes the namespaces with ip(8), which takes root, and removes them.
-module(netns).

-export([main/0]).

-define(PORT, 4711).
-define(SERVER, {10, 77, 0, 1}).
-define(PATIENCE, 5000).

-spec main() -> no_return().
main() ->
    logger:set_primary_config(level, warning),
    [Server, Client] = Names = [lists:concat(["gosocket-", Who, "-", os:getpid()]) || Who <- [server, client]],
    Status = case make(Server, Client) of
                 "" ->
                     try
                         talk(Server, Client)
                     catch
                         Class:Reason:Stack ->
                             io:format("FAILED: ~p ~p~n~p~n", [Class, Reason, Stack]),
                             1
                     end;
                 Why ->
                     io:format("nothing shown: namespaces are made by root, with ip(8)~n~s", [Why]),
                     0
             end,
    [_ = sh("ip netns del " ++ Name) || Name <- Names],
    halt(Status).

%% What went wrong, if anything did.
-spec make(string(), string()) -> string().
make(Server, Client) ->
    sh(lists:flatten(lists:join(" && ", [
        "ip netns add " ++ Server,
        "ip netns add " ++ Client,
        ["ip -n ", Server, " link add veth0 type veth peer name veth0 netns ", Client],
        ["ip -n ", Server, " address add 10.77.0.1/24 dev veth0"],
        ["ip -n ", Client, " address add 10.77.0.2/24 dev veth0"],
        ["ip -n ", Server, " link set veth0 up"],
        ["ip -n ", Client, " link set veth0 up"]]))).

%% Debian keeps ip in sbin, which a user's PATH lacks.
-spec sh(string()) -> string().
sh(Command) ->
    os:cmd("PATH=$PATH:/usr/sbin:/sbin; { " ++ Command ++ "; } 2>&1").

-spec talk(string(), string()) -> 0.
talk(Server, Client) ->
    case gosocket:open(inet, stream, tcp, #{netns => Server}) of
        {ok, Listener} ->
            talk(Server, Client, Listener);
        {error, eperm} ->
            io:format("nothing shown: to open a socket in a namespace the helper needs the capability CAP_SYS_ADMIN~n"),
            0
    end.

-spec talk(string(), string(), gosocket:socket()) -> 0.
talk(Server, Client, Listener) ->
    {ok, ?PORT} = gosocket:bind(Listener, #{family => inet, addr => ?SERVER, port => ?PORT}),
    ok = gosocket:listen(Listener),
    io:format("~s listens on ~s, port ~b~n", [Server, inet:ntoa(?SERVER), ?PORT]),
    To = #{family => inet, addr => ?SERVER, port => ?PORT},
    {ok, C} = gosocket:open(inet, stream, tcp, #{netns => Client}),
    ok = gosocket:connect(C, To, ?PATIENCE),
    {ok, S} = gosocket:accept(Listener, ?PATIENCE),
    {ok, #{addr := Peer}} = gosocket:peername(S),
    io:format("~s reaches it from ~s~n", [Client, inet:ntoa(Peer)]),
    ok = gosocket:send(C, <<"hello from the other side">>),
    {ok, Said} = gosocket:recv(S, 0, ?PATIENCE),
    io:format("and says: ~s~n", [Said]),
    {ok, Outside} = gosocket:open(inet, stream, tcp),
    {error, Reason} = gosocket:bind(Outside, #{family => inet, addr => ?SERVER}),
    io:format("this node's own sockets are elsewhere: binding one to ~s is {error, ~s}~n", [inet:ntoa(?SERVER), Reason]),
    [ok = gosocket:close(Socket) || Socket <- [Outside, C, S, Listener]],
    0.
