%% Network namespaces: open/4 with netns.
-module(gosocket_netns_SUITE).

-export([
    name_is_looked_up_in_the_usual_folder/1,
    path_is_taken_as_it_is/1,
    socket_sees_the_addresses_of_its_namespace_only/1,
    two_namespaces_have_ports_of_their_own/1,
    accepted_socket_is_in_the_namespace_of_its_listener/1,
    connection_crosses_from_one_namespace_to_another/1,
    concurrent_opens_get_each_its_own_namespace/1,
    no_thread_stays_in_another_namespace/1,
    a_thousand_opens_at_once_are_served_by_few_threads/1,
    calls_go_on_while_a_namespace_is_joined/1,
    socket_outlives_the_name_of_its_namespace/1,
    opener_that_dies_leaves_no_socket/1,
    what_is_not_there_is_enoent/1,
    what_is_no_network_namespace_is_einval/1,
    what_is_neither_string_nor_binary_is_invalid/1,
    kernel_refuses_a_socket_in_a_namespace_as_elsewhere/1
]).

%% The reference takes paths, no names, and cannot read native options.
-define(OURS, [Name || Name <- gosocket_test_lib:cases(?MODULE), not lists:member(Name, [
    socket_sees_the_addresses_of_its_namespace_only,
    two_namespaces_have_ports_of_their_own,
    connection_crosses_from_one_namespace_to_another,
    what_is_not_there_is_enoent
])]).
-import(gosocket_test_netns, [with_hosts/1, alone/1, address/2]).
-include("gosocket_test.hrl").

%% SO_NETNS_COOKIE: which namespace a socket is in, as the kernel says.
-spec cookie(socket()) -> binary().
cookie(Socket) ->
    {ok, <<_:64>> = Cookie} = ?S:getopt(Socket, 1, {71, 8}),
    Cookie.

-spec open_in(string() | binary() | atom()) -> {ok, socket()} | {error, term()}.
open_in(Netns) ->
    ?S:open(inet, dgram, udp, #{netns => Netns}).

-spec cookie_in(string() | binary() | atom()) -> binary().
cookie_in(Netns) ->
    {ok, Socket} = open_in(Netns),
    Cookie = cookie(Socket),
    close(Socket),
    Cookie.

-spec own_cookie() -> binary().
own_cookie() ->
    Socket = unconnected({inet, dgram}),
    Cookie = cookie(Socket),
    close(Socket),
    Cookie.

%% ---- names and paths ----

-spec name_is_looked_up_in_the_usual_folder(config()) -> term().
name_is_looked_up_in_the_usual_folder(_) ->
    alone(fun(#{name := Name}) ->
        ?assertEqual(cookie_in("/var/run/netns/" ++ Name), cookie_in(Name)),
        ?assertNotEqual(own_cookie(), cookie_in(Name))
    end).

-spec path_is_taken_as_it_is(config()) -> term().
path_is_taken_as_it_is(_) ->
    alone(fun(#{name := Name}) ->
        Path = "/var/run/netns/" ++ Name,
        ?assertEqual(cookie_in(Path), cookie_in(list_to_binary(Path))),
        ?assertEqual(own_cookie(), cookie_in("/proc/self/ns/net"))
    end).

%% ---- where the socket is ----

-spec socket_sees_the_addresses_of_its_namespace_only(config()) -> term().
socket_sees_the_addresses_of_its_namespace_only(_) ->
    with_hosts(fun(A, B) ->
        Socket = gosocket_test_netns:open(A, inet, dgram, udp),
        ?assertEqual({error, eaddrnotavail}, ?S:bind(Socket, address(B, inet))),
        ?assertMatch({ok, _}, ?S:bind(Socket, address(A, inet))),
        Outside = unconnected({inet, dgram}),
        ?assertEqual({error, eaddrnotavail}, ?S:bind(Outside, address(A, inet))),
        close({Socket, Outside})
    end).

-spec two_namespaces_have_ports_of_their_own(config()) -> term().
two_namespaces_have_ports_of_their_own(_) ->
    with_hosts(fun(A, B) ->
        Address = #{family => inet, addr => loopback, port => 4711},
        Sockets = [gosocket_test_netns:open(Host, inet, dgram, udp) || Host <- [A, B]],
        ?assertEqual([{ok, 4711}, {ok, 4711}], [?S:bind(Socket, Address) || Socket <- Sockets]),
        Third = gosocket_test_netns:open(A, inet, dgram, udp),
        ?assertEqual({error, eaddrinuse}, ?S:bind(Third, Address)),
        close([Third | Sockets])
    end).

-spec accepted_socket_is_in_the_namespace_of_its_listener(config()) -> term().
accepted_socket_is_in_the_namespace_of_its_listener(_) ->
    alone(fun(Host) ->
        Listener = gosocket_test_netns:open(Host, inet, stream, tcp),
        {ok, _} = ?S:bind(Listener, loopback),
        ok = ?S:listen(Listener),
        Outside = unconnected({inet, stream}),
        ?assertEqual({error, econnrefused}, ?S:connect(Outside, local_address(Listener))),
        Client = gosocket_test_netns:open(Host, inet, stream, tcp),
        Server = accepted(Listener, Client),
        ?assertEqual(cookie(Listener), cookie(Server)),
        close([Outside, Listener, Client, Server])
    end).

-spec connection_crosses_from_one_namespace_to_another(config()) -> term().
connection_crosses_from_one_namespace_to_another(_) ->
    with_hosts(fun(A, B) ->
        [begin
             Listener = gosocket_test_netns:open(B, Domain, stream, tcp),
             {ok, _} = ?S:bind(Listener, address(B, Domain)),
             ok = ?S:listen(Listener),
             Client = gosocket_test_netns:open(A, Domain, stream, tcp),
             Server = accepted(Listener, Client),
             {ok, #{addr := Peer}} = ?S:peername(Server),
             ?assertEqual(maps:get(addr, address(A, Domain)), Peer),
             Data = random(100000),
             Writer = start(fun() -> ?S:send(Client, Data) end),
             ?assertEqual({ok, Data}, ?S:recv(Server, byte_size(Data), ?PATIENCE)),
             ?assertEqual(ok, result(Writer)),
             close([Listener, Client, Server])
         end || Domain <- [inet, inet6]]
    end).

%% ---- nobody else's namespace changes ----

-spec concurrent_opens_get_each_its_own_namespace(config()) -> term().
concurrent_opens_get_each_its_own_namespace(_) ->
    with_hosts(fun(#{name := A}, #{name := B}) ->
        Expected = #{own => own_cookie(), A => cookie_in(A), B => cookie_in(B)},
        ?assertEqual(3, length(lists:usort(maps:values(Expected)))),
        Callers = [{Where, start(fun() -> [opened(Where) || _ <- lists:seq(1, 20)] end)}
                   || _ <- lists:seq(1, 10), Where <- [own, A, B]],
        [?assertEqual({Where, [maps:get(Where, Expected)]}, {Where, lists:usort(result(Call))}) || {Where, Call} <- Callers]
    end).

-spec opened(own | string()) -> binary().
opened(own) -> own_cookie();
opened(Name) -> cookie_in(Name).

-spec no_thread_stays_in_another_namespace(config()) -> term().
no_thread_stays_in_another_namespace(_) ->
    with_hosts(fun(#{name := A}, #{name := B}) ->
        Calls = [start(fun() -> [cookie_in(Name) || _ <- lists:seq(1, 10)] end) || _ <- lists:seq(1, 10), Name <- [A, B]],
        [[_ | _] = result(Call) || Call <- Calls],
        {ok, Own} = file:read_link("/proc/self/ns/net"),
        wait_until(fun() -> namespaces_of_threads() =:= [Own] end)
    end).

-spec namespaces_of_threads() -> [string()].
namespaces_of_threads() ->
    Links = filelib:wildcard("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/task/*/ns/net"),
    lists:usort([Target || Link <- Links, {ok, Target} <- [file:read_link(Link)]]).

-spec a_thousand_opens_at_once_are_served_by_few_threads(config()) -> term().
a_thousand_opens_at_once_are_served_by_few_threads(_) ->
    alone(fun(#{name := Name}) ->
        Calls = [start(fun() ->
            {ok, Socket} = open_in(Name),
            close(Socket)
        end) || _ <- lists:seq(1, 1000)],
        Most = most_threads(Calls, 0),
        ?assertEqual([ok], lists:usort([result(Call) || Call <- Calls])),
        ct:comment("~b threads at most", [Most]),
        ?assert(Most < 100)
    end).

-spec most_threads([gosocket_test_lib:call()], non_neg_integer()) -> non_neg_integer().
most_threads(Calls, Most) ->
    {ok, Threads} = file:list_dir("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/task"),
    case lists:any(fun({Pid, _}) -> is_process_alive(Pid) end, Calls) of
        true -> most_threads(Calls, max(Most, length(Threads)));
        false -> max(Most, length(Threads))
    end.

-spec calls_go_on_while_a_namespace_is_joined(config()) -> term().
calls_go_on_while_a_namespace_is_joined(_) ->
    alone(fun(#{name := Name}) ->
        {A, B} = pair({inet, stream}),
        Openers = [start(fun() -> cookie_in(Name) end) || _ <- lists:seq(1, 100)],
        [begin
             ok = ?S:send(A, <<N:32>>),
             ?assertEqual({ok, <<N:32>>}, ?S:recv(B, 4, ?PATIENCE))
         end || N <- lists:seq(1, 1000)],
        ?assertEqual(1, length(lists:usort([result(Opener) || Opener <- Openers]))),
        close({A, B})
    end).

%% ---- ends ----

-spec socket_outlives_the_name_of_its_namespace(config()) -> term().
socket_outlives_the_name_of_its_namespace(_) ->
    {Name, Socket, Cookie} = alone(fun(#{name := Name}) ->
        {ok, Opened} = open_in(Name),
        {Name, Opened, cookie(Opened)}
    end),
    ?assertEqual({error, enoent}, open_in(Name)),
    ?assertEqual(Cookie, cookie(Socket)),
    {ok, _} = ?S:bind(Socket, loopback),
    ok = ?S:sendto(Socket, <<"still here">>, local_address(Socket)),
    ?assertEqual({ok, <<"still here">>}, ?S:recv(Socket, 0, ?PATIENCE)),
    close(Socket).

-spec opener_that_dies_leaves_no_socket(config()) -> term().
opener_that_dies_leaves_no_socket(_) ->
    alone(fun(#{name := Name}) ->
        Before = ?S:number_of(),
        Openers = [spawn(fun() -> open_in(Name) end) || _ <- lists:seq(1, 50)],
        [exit(Opener, kill) || Opener <- Openers],
        {ok, Behind} = open_in(Name),
        close(Behind),
        wait_until(fun() -> ?S:number_of() =:= Before end)
    end).

%% ---- errors ----

-spec what_is_not_there_is_enoent(config()) -> term().
what_is_not_there_is_enoent(_) ->
    [?assertEqual({Netns, {error, enoent}}, {Netns, open_in(Netns)})
     || Netns <- [unique(), "/" ++ unique(), "/proc/self/ns/" ++ unique(), "", <<>>]].

%% A pipe that nobody writes to, too: opening it must not wait.
-spec what_is_no_network_namespace_is_einval(config()) -> term().
what_is_no_network_namespace_is_einval(_) ->
    Fifo = filename:join("/tmp", unique()),
    "" = os:cmd("mkfifo -m 600 " ++ Fifo),
    try
        [?assertEqual({Netns, {error, einval}}, {Netns, open_in(Netns)})
         || Netns <- ["/dev/null", "/proc/self/ns/uts", "/proc/self/status", "/tmp", Fifo]]
    after
        file:delete(Fifo)
    end,
    ?assertEqual({error, enotdir}, open_in("/dev/null/x")).

-spec what_is_neither_string_nor_binary_is_invalid(config()) -> term().
what_is_neither_string_nor_binary_is_invalid(_) ->
    [?assertEqual({error, {invalid, {netns, Netns}}}, outcome(fun() -> open_in(Netns) end))
     || Netns <- [foo, undefined, 4711, {"/proc/self/ns/net"}, "/proc/self/ns/net" ++ [foo], "/proc/self/ns/" ++ net, [16#20ac]]].

-spec kernel_refuses_a_socket_in_a_namespace_as_elsewhere(config()) -> term().
kernel_refuses_a_socket_in_a_namespace_as_elsewhere(_) ->
    alone(fun(#{name := Name}) ->
        ?assertEqual({error, eprotonosupport}, ?S:open(inet, stream, udp, #{netns => Name})),
        ?assertEqual({error, {invalid, {domain, foo}}}, outcome(fun() -> ?S:open(foo, stream, tcp, #{netns => Name}) end))
    end).
